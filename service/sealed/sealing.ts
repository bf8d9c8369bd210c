/** What sealed requests need of the session in use. */
import type { HpkeKey } from "../../sealing/index.ts";
import type { RequestKeys, SealedRequest } from "../../vault/index.ts";

/** The cluster's HPKE keys, which only the vault holds. */
export interface Sealing {
  /** Public halves, as the keyset in use attests them; the newest first. @throws ServiceError `session_unavailable` */
  keys(): HpkeKey[];
  /**
   * The keys of one request, as the vault's `exportRequestKeys` says.
   * @throws VaultError `sealing_key_unknown`, `sealed_request_replayed`, `sealed_salt_unreadable`
   */
  exportKeys(request: SealedRequest): Promise<RequestKeys[]>;
}
