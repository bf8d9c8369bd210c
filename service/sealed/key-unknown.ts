/** How each protocol is told that its request does not open. Nothing of it was done: it may be sealed and sent again. */
import type { SealingProtocol } from "../../sealing/index.ts";
import { VaultError } from "../../vault/index.ts";
import { ServiceError } from "../problem.ts";

/** EHBP section 5.4.2, and the registry that RFC 9458 section 5.3 adds to. */
const TYPES = {
  ehbp: "urn:ietf:params:ehbp:error:key-config",
  ohttp: "https://iana.org/assignments/http-problem-types#ohttp-key",
} as const;

export function keyUnknown(protocol: SealingProtocol): ServiceError {
  const code = protocol === "ehbp" ? "sealed_key_unknown" : "ohttp_key_unknown";
  return new ServiceError(code, undefined, { type: TYPES[protocol] });
}

/** Runs the vault's export; what it refuses of the caller's becomes the caller's problem. @throws ServiceError */
export async function exporting<T>(protocol: SealingProtocol, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    if (error.code === "sealing_key_unknown" || error.code === "sealed_salt_unreadable")
      throw keyUnknown(protocol);
    if (error.code === "sealed_request_replayed") throw new ServiceError("sealed_replayed");
    throw error;
  }
}
