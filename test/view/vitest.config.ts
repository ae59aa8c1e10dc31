import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["test/view/*.browser.ts"], testTimeout: 60_000 },
});
