import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    setupFiles: ["test/support/fast-byte-equality.ts"],
    testTimeout: 60_000,
    env: { TZ: "America/Sao_Paulo" },
  },
});
