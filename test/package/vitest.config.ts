import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["test/package/**/*.package.ts"], testTimeout: 120_000 } });
