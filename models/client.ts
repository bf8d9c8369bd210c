/** What a browser needs of models: manifests, input checks, processing. No `node:` below here. */
export * from "./bom.ts";
export * from "./check.ts";
export * from "./difference.ts";
export * from "./errors.ts";
export * from "./execution.ts";
export * from "./manifest.ts";
export * from "./processing/index.ts";
export * from "./oip/index.ts";
