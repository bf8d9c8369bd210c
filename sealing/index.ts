/** Sealed requests: the HPKE suite, EHBP's frames, Oblivious HTTP and binary HTTP messages. Browser-safe; holds no key. */
export { openAead, sealAead } from "#aead";
export * from "./bhttp.ts";
export * from "./error.ts";
export * from "./frames.ts";
export * from "./job-record.ts";
export * from "./protocols.ts";
export * from "./suite.ts";
