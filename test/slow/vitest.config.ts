import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["test/slow/*.slow.ts"], testTimeout: 300_000, fileParallelism: false },
});
