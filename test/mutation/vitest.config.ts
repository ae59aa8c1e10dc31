import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    setupFiles: ["test/support/equal-bytes.ts"],
    testTimeout: 20_000,
    env: { TZ: "America/Sao_Paulo" },
  },
});
