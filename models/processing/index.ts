/** From a raw file to a model's input tensors, and from its output tensors to a line that a person reads. */
export type { Audio } from "./audio.ts";
export type { Assets } from "./ctc.ts";
export { ProcessingError } from "./errors.ts";
export type { ProcessingErrorCode } from "./errors.ts";
export type { Image } from "./image.ts";
export { formatDisplay, postprocess, requiredAssets } from "./postprocess.ts";
export type { Display } from "./postprocess.ts";
export { countCalls, preprocess } from "./preprocess.ts";
export type { PreprocessOptions } from "./preprocess.ts";
export { parseRaw } from "./raw.ts";
export type { Features, Raw } from "./raw.ts";
export { processingSchema } from "./schema.ts";
export type { Asset, Processing } from "./schema.ts";
