import process from "node:process";
import { defineConfig } from "vitest/config";
import { parseCLI } from "vitest/node";

/** Whether all tests run: the coverage of some says nothing. */
function isFullRun(): boolean {
  const { filter, options } = parseCLI(["vitest", ...process.argv.slice(2)], { allowUnknownOptions: true });
  return filter.length === 0 && options.testNamePattern === undefined;
}

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    globalSetup: ["test/support/build-quick-server.ts"],
    setupFiles: ["test/support/fast-byte-equality.ts"],
    testTimeout: 60_000,
    env: { TZ: "America/Sao_Paulo" },
    maxWorkers: 3,
    isolate: false,
    coverage: {
      enabled: isFullRun(),
      provider: "v8",
      reporter: ["text-summary"],
      include: ["src/**/*.ts"],
      exclude: [
        "src/**/*.test.ts",
        "src/index.ts",
        "src/launch.ts",
        "src/cli/{line-transport,proxy-client}.ts",
        "src/view/page.ts",
        "src/view/page/**",
      ],
      thresholds: { lines: 95, branches: 90 },
    },
  },
});
