/** What sealed requests need of the session in use. */
import type { AeadId, HpkeKey, SealingProtocol } from "../../sealing/index.ts";
import type { RequestKeys } from "../../vault/index.ts";

/** What a sealed request's headers say. */
export interface SealedHead {
  protocol: SealingProtocol;
  keyId: number;
  aeadId: AeadId;
  /** 32 bytes. */
  encapsulatedKey: Uint8Array;
  /** 80 bytes. */
  sealedSalt: Uint8Array | null;
}

/** The cluster's HPKE keys, which only the vault holds. */
export interface Sealing {
  /** Public halves, as the keyset in use attests them; the newest first. @throws ServiceError `session_unavailable` */
  keys(): HpkeKey[];
  /**
   * The keys of one request.
   * @throws VaultError `sealing_key_unknown`, `sealed_request_replayed`, `sealed_salt_unreadable`
   */
  exportKeys(head: SealedHead): Promise<RequestKeys>;
}
