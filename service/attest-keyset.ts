/**
 * Brings a keyset into use: the vault builds it, evidence over the newest checkpoint is taken for it, both are stated
 * and logged, and a checkpoint covers the statement. Only then may it sign for a caller.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { jcs, utf8, type Json } from "../codec/index.ts";
import { checkpointNonce, evidenceIndex, parseNote } from "../receipts/index.ts";
import { VaultError, type KeysetParameters, type Vault, type VaultEvidence } from "../vault/index.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { documentOf, type Appender, type DocumentRow } from "./db/index.ts";
import { appendOwn } from "./own-statement.ts";
import type { AttestedKeyset } from "./session.ts";

export interface AttestOptions {
  vault: Vault;
  subject: string;
  logOrigin: string;
  /** Of the TLS listener, where there is one. */
  tlsKeys?: KeysetParameters["tlsKeys"];
  lifetimeMs: number;
  nowMs: number;
  /** What a verifier needs beside this evidence; dated, so asked for anew each time. */
  endorsements: (evidence: VaultEvidence) => Promise<Json>;
  /** Models to measure into the TEE's register first, 32 bytes each, in order. */
  modelIds: readonly Uint8Array[];
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
    tlsKeys: options.tlsKeys ?? [],
  };
  // Before the first quote, so that every one shows them; a vault that has measured one leaves it as it is.
  for (const modelId of options.modelIds) await vault.measureModel(modelId);
  const keyset = await vault.installKeyset(parameters);
  const before = await checkpoints.sign(vault);
  const nonce = checkpointNonce(parseNote(before.note).text);
  const evidence = await quoteOver(vault, nonce);
  const endorsements = await options.endorsements(evidence);
  const [stated, ...parts] = evidenceDocuments(evidence);
  const endorsed = documentOf("endorsements", utf8(jcs(endorsements)));
  const documents = [documentOf("keyset", utf8(keyset.text)), stated!, ...parts, endorsed];
  const statement = await vault.signKeyset({
    evidenceDigest: stated!.digest,
    endorsementsDigest: endorsed.digest,
    notBeforeMs: BigInt(nowMs),
    notAfterMs: BigInt(notAfterSeconds) * 1000n,
  });
  const leafIndex = await appendOwn(options.appender, "Keyset", statement, documents);
  await checkpoints.sign(vault);
  return {
    text: keyset.text,
    digest: keyset.digest,
    notAfterMs: notAfterSeconds * 1000,
    parameters,
    evidence: { ...evidence, nonce },
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
async function quoteOver(vault: Vault, nonce: Uint8Array): Promise<VaultEvidence> {
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

/** What a `Keyset` statement names comes first, then the parts that an index names. */
function evidenceDocuments(evidence: VaultEvidence): DocumentRow[] {
  const index = evidenceIndex(evidence);
  const parts = [index, evidence.quote, evidence.gpu?.quote];
  return parts.flatMap((bytes) => (bytes ? [documentOf("evidence", bytes)] : []));
}
