/** How the record of a background job is named: to the vault that derives its key, and in its seal. Browser-safe. */
import { sha256, utf8 } from "../codec/index.ts";

/** SHA-256 of `affidavit.v1.job ‖ kind ‖ / ‖ job id`: 32 bytes. */
export function jobContext(kind: string, jobId: string): Uint8Array {
  return sha256(utf8(`affidavit.v1.job${kind}/${jobId}`));
}
