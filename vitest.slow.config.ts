import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.slow.test.ts"],
    exclude: ["node_modules/**", "dist/**"],
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 1_200_000,
    hookTimeout: 120_000,
    reporters: ["verbose", "./test/skipped-reporter.ts"],
  },
});
