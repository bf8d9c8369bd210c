/** What the operator does with the vault's keys. */
import { jcs, toHex, utf8, type Json } from "../codec/index.ts";
import type {
  PassingAsked,
  PeerEvidence,
  PolicyView,
  SealingKeyInfo,
  VaultEvidence,
} from "../vault/index.ts";
import { DEFAULT_TENANT, documentOf, type Appender } from "./db/index.ts";
import type { Keeper } from "./keeper.ts";
import { appendOwn } from "./own-statement.ts";
import { ServiceError } from "./problem.ts";
import type { Account } from "./services.ts";
import type { SessionHolder } from "./session.ts";

/** For the operator's own tenant: keys are the whole installation's. Each throws ServiceError `scope_missing` for others. */
export interface VaultAdministration {
  /** HPKE keys that open requests now, the newest first. @throws ServiceError `session_unavailable` */
  sealingKeys(account: Account): Promise<SealingKeyInfo[]>;
  /**
   * Makes another, and returns when it is attested and listed.
   * @param endOlder all before it open nothing any more
   * @throws ServiceError `session_unavailable`; VaultError `sealing_keys_limit`
   */
  rotate(account: Account, endOlder: boolean): Promise<SealingKeyInfo[]>;
  /** The owner's policy of this service's vault, and what was used of the limits. @throws ServiceError `session_unavailable` */
  policy(account: Account): Promise<PolicyView>;
  /**
   * Puts the owner's signed document in force and logs it. Where the log does not take it, the same again does it.
   * @returns the `PolicyChange`'s receipt id and leaf
   * @throws ServiceError `session_unavailable`; VaultError `policy_invalid`, `policy_owner_unknown`, `policy_stale`; DatabaseError
   */
  changePolicy(account: Account, document: string): Promise<{ receiptId: string; leafIndex: bigint }>;
  /** Begins to give the cluster's keys to another vault. @returns this vault's nonce: 32 bytes */
  beginGiving(account: Account, asked: PassingAsked): Promise<Uint8Array>;
  /**
   * The keys, sealed to a vault that this one judged, and logged before they leave.
   * @throws ServiceError `session_unavailable`; VaultError `passing_unknown`, `peer_refused` and the like; DatabaseError
   */
  give(
    account: Account,
    nonce: Uint8Array,
    peer: PeerEvidence,
  ): Promise<{ sealed: Uint8Array; peer: PeerEvidence }>;
}

interface Parts {
  sessions: SessionHolder;
  keeper: Pick<Keeper, "tendSealingKeys">;
  appender: Pick<Appender, "append">;
  endorsements: (evidence: VaultEvidence) => Promise<Json>;
}

export function vaultAdministration(parts: Parts): VaultAdministration {
  const { sessions, keeper, appender, endorsements } = parts;
  return {
    async sealingKeys(account) {
      requireOperator(account);
      return await keeper.tendSealingKeys("look");
    },
    async rotate(account, endOlder) {
      requireOperator(account);
      return await keeper.tendSealingKeys(endOlder ? "rotateAndEnd" : "rotate");
    },
    async policy(account) {
      requireOperator(account);
      return await sessions.current().vault.readPolicy();
    },
    async changePolicy(account, document) {
      requireOperator(account);
      const statement = await sessions.current().signWith((vault) => vault.changePolicy(document));
      const shown = [documentOf("policy", utf8(document))];
      const leafIndex = await appendOwn(appender, "PolicyChange", statement, shown);
      return { receiptId: toHex(statement.digest), leafIndex };
    },
    async beginGiving(account, asked) {
      requireOperator(account);
      return await sessions.current().vault.beginGiving(asked);
    },
    async give(account, nonce, peer) {
      requireOperator(account);
      let given: { sealed: Uint8Array; evidence: VaultEvidence } | undefined;
      const statement = await sessions.current().signWith(async (vault) => {
        const { statement: signed, ...rest } = await vault.giveClusterKeys({ nonce, peer });
        given = rest;
        return signed;
      });
      const { sealed, evidence } = given!;
      const shown = [documentOf("evidence", peer.quote), documentOf("endorsements", utf8(peer.endorsements))];
      await appendOwn(appender, "KeyRelease", statement, shown);
      const own = { type: evidence.type, quote: evidence.quote };
      return { sealed, peer: { ...own, endorsements: jcs(await endorsements(evidence)) } };
    },
  };
}

function requireOperator({ tenantId }: Account): void {
  if (tenantId !== DEFAULT_TENANT)
    throw new ServiceError("scope_missing", "only the operator's tenant sees the vault's keys");
}
