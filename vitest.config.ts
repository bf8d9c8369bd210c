import { defineConfig } from "vitest/config";

/** Folders whose tests leave nothing behind in their process: it is kept from file to file, which spares loading the modules anew. */
const SHARED = [
  "attestation",
  "client",
  "codec",
  "ipc",
  "models/sealed",
  "models/signing",
  "receipts",
  "sealing",
];
const sharedFiles = SHARED.map((folder) => `${folder}/**/*.test.ts`);
const exclude = ["node_modules/**", "dist/**", "**/*.slow.test.ts"];

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ["default", "./test/skipped-reporter.ts"],
    projects: [
      { extends: true, test: { name: "in process", include: sharedFiles, exclude, isolate: false } },
      {
        extends: true,
        test: {
          name: "with processes",
          globalSetup: ["./test/global-setup.ts"],
          include: ["**/*.test.ts"],
          exclude: [...exclude, ...sharedFiles],
        },
      },
    ],
  },
});
