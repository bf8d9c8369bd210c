/** What is asked of the vault about keys: of sealed requests, of models, of the cluster. */
import { Caller } from "./caller.ts";
import type { SignedStatement } from "./signed-statement.ts";
import type { GivenKeys, PassingAsked, PassingRequest } from "./wire/passing.ts";
import type { PolicyView } from "./wire/policy.ts";
import type { BrokersRelease, ReleaseEvidence } from "./wire/key-release.ts";
import type { RequestKeys, SealedRequest, SealingKeyInfo, Tending } from "./wire/sealing.ts";

export class KeyCalls extends Caller {
  /**
   * Opens one sealed request as far as its own keys: the vault sees no body, and hands the cluster key to nobody. Each
   * encapsulated key works once, as far as the vault remembers.
   * @returns the request's keys; by EHBP without a salt one of each HPKE key that it may be sealed to, the newest first
   * @throws VaultError `sealing_key_unknown`, `sealed_request_replayed`, `sealed_salt_unreadable`
   */
  async exportRequestKeys(request: SealedRequest): Promise<RequestKeys[]> {
    return [...(await this.call("exportRequestKeys", request))];
  }

  /**
   * Makes another HPKE key where it is asked for or due, and removes those whose overlap ended. What is installed is a keyset
   * with the old ones until another is.
   * @returns those that open requests now, the newest first
   * @throws VaultError `sealing_keys_limit`
   */
  async tendSealingKeys(how: Tending): Promise<SealingKeyInfo[]> {
    return [...(await this.call("tendSealingKeys", { how }))];
  }

  /** The owner's policy, and what was used of the limits in this hour. */
  readPolicy(): Promise<PolicyView> {
    return this.call("readPolicy", {});
  }

  /**
   * Puts a policy of the installation's owner in force, and states it; the same again is stated again.
   * @param document the signed document's exact text
   * @throws VaultError `policy_invalid`, `policy_owner_unknown`, `policy_stale`, `keyset_missing`, `keyset_expired`
   */
  async changePolicy(document: string): Promise<SignedStatement> {
    return { type: "PolicyChange", ...(await this.call("changePolicy", { document })) };
  }

  /** Begins to give the cluster's keys to another vault. @returns this vault's nonce, 32 bytes @throws VaultError `busy` */
  async beginGiving(asked: PassingAsked): Promise<Uint8Array> {
    return (await this.call("beginGiving", asked)).nonce;
  }

  /**
   * Appraises the other vault and seals the cluster's keys to it, once a nonce. The statement is to be in the log before they leave.
   * @throws VaultError `passing_unknown`, `peer_refused`, `peer_stale`, `peer_measurement_unknown`, `peer_simulated`,
   *   `peer_policy_missing`, `limit_reached`, `quote_rate_limited`, `quote_failed`, `keyset_missing`, `keyset_expired`
   */
  async giveClusterKeys(
    request: PassingRequest,
  ): Promise<Omit<GivenKeys, "statement"> & { statement: SignedStatement }> {
    const { statement, ...given } = await this.call("giveClusterKeys", request);
    return { ...given, statement: { type: "KeyRelease", ...statement } };
  }

  /**
   * Evidence for an owner's key broker, over its nonce (32 bytes).
   * @throws VaultError `keyset_missing`, `keyset_expired`, `quote_rate_limited`, `quote_failed`, `busy`
   */
  beginKeyRelease(nonce: Uint8Array, modelId: Uint8Array): Promise<ReleaseEvidence> {
    return this.call("beginKeyRelease", { nonce, modelId });
  }

  /**
   * Opens what the broker released: the content key of one file, to be wiped after use, and the signed `KeyRelease`.
   * @throws VaultError `release_unknown`, `record_unreadable`, `keyset_missing`, `keyset_expired`
   */
  async finishKeyRelease(
    release: BrokersRelease,
  ): Promise<{ contentKey: Uint8Array; statement: SignedStatement }> {
    const { contentKey, statement } = await this.call("finishKeyRelease", release);
    return { contentKey, statement: { type: "KeyRelease", ...statement } };
  }
}
