/**
 * Brings a keyset into use: the vault builds it, evidence over the newest checkpoint is taken for it, both are stated
 * and logged, and a checkpoint covers the statement. Only then may it sign for a caller.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { jcs, sha256, utf8, type Json } from "../codec/index.ts";
import { checkpointNonce, parseNote } from "../receipts/index.ts";
import { VaultError, type KeysetParameters, type Vault } from "../vault/index.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { SYSTEM_TENANT, type Appender, type DocumentRow } from "./db/index.ts";
import type { AttestedKeyset } from "./session.ts";

export interface AttestOptions {
  vault: Vault;
  subject: string;
  logOrigin: string;
  lifetimeMs: number;
  nowMs: number;
  /** What a verifier needs beside this evidence; dated, so asked for anew each time. */
  endorsements: (evidence: { type: string; quote: Uint8Array }) => Promise<Json>;
  checkpoints: Checkpoints;
  appender: Pick<Appender, "append">;
}

export async function attestKeyset(options: AttestOptions): Promise<AttestedKeyset> {
  const { vault, checkpoints, nowMs } = options;
  const notAfterSeconds = Math.floor((nowMs + options.lifetimeMs) / 1000);
  const parameters: KeysetParameters = {
    subject: options.subject,
    notAfterSeconds: BigInt(notAfterSeconds),
    logOrigin: options.logOrigin,
    tlsKeys: [],
  };
  const keyset = await vault.installKeyset(parameters);
  const before = await checkpoints.sign(vault);
  const nonce = checkpointNonce(parseNote(before.note).text);
  const evidence = await quoteOver(vault, nonce);
  const endorsements = await options.endorsements(evidence);
  const endorsementsText = utf8(jcs(endorsements));

  const documents: DocumentRow[] = [
    { kind: "keyset", digest: keyset.digest, bytes: utf8(keyset.text) },
    { kind: "evidence", digest: sha256(evidence.quote), bytes: evidence.quote },
    { kind: "endorsements", digest: sha256(endorsementsText), bytes: endorsementsText },
  ];
  const statement = await vault.signKeyset({
    evidenceDigest: documents[1]!.digest,
    endorsementsDigest: documents[2]!.digest,
    notBeforeMs: BigInt(nowMs),
    notAfterMs: BigInt(notAfterSeconds) * 1000n,
  });
  const leafIndex = await options.appender.append({
    statement: { ...NOBODY, ...statement, type: "Keyset" },
    documents,
  });
  await checkpoints.sign(vault);
  return {
    text: keyset.text,
    digest: keyset.digest,
    notAfterMs: notAfterSeconds * 1000,
    parameters,
    evidence: { type: evidence.type, quote: evidence.quote, nonce },
    endorsements,
    statement,
    leafIndex,
    attestedCheckpoint: before.note,
  };
}

/** The vault allows 16 quotes a second. */
const QUOTE_RETRY_MS = 100;
const QUOTE_TRIES = 20;

/** Callers' nonces may have used up what the vault allows; while a keyset is attested none is served, so it comes back. */
async function quoteOver(vault: Vault, nonce: Uint8Array): ReturnType<Vault["quote"]> {
  for (let tries = 1; ; tries++) {
    try {
      return await vault.quote(nonce);
    } catch (error) {
      const limited = error instanceof VaultError && error.code === "quote_rate_limited";
      if (!limited || tries === QUOTE_TRIES) throw error;
      await sleep(QUOTE_RETRY_MS);
    }
  }
}

/** A statement of the service itself. */
const NOBODY = {
  requestId: null,
  tenantId: SYSTEM_TENANT,
  accountId: null,
  apiKeyId: null,
  modelId: null,
  sealedExtra: null,
} as const;
