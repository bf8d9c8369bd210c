/** Signatures of models in the form of OpenSSF Model Signing. */
export { readModelSigner, type ModelSigner } from "./bundle.ts";
export { signFolder, SIGNATURE_FILE, verifyFiles, verifyFolder } from "./folder.ts";
