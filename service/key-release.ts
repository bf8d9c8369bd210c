/**
 * Asks an owner's key broker for the key of sealed weights, at every load: the broker's challenge, the vault's evidence over
 * it, the broker's release, which only the vault opens, and the vault's word of it in the log.
 */
import { fromHex, jcs, sha256, toHex, utf8, type Json } from "../codec/index.ts";
import {
  MAX_MESSAGE_BYTES,
  ModelError,
  parseHead,
  readChallengeAnswer,
  readReleaseAnswer,
  writeRelease,
  type KeyWanted,
  type Release,
  type ReleaseKey,
  type ReleaseRequest,
} from "../models/index.ts";
import { VaultError, type Vault, type VaultEvidence } from "../vault/index.ts";
import { DatabaseError, documentOf, type Appender } from "./db/index.ts";
import { appendOwn } from "./own-statement.ts";
import { ServiceError } from "./problem.ts";
import type { SessionHolder } from "./session.ts";

/** A host waits for it; the broker's challenge holds for longer. */
const EXCHANGE_TIMEOUT_MS = 10_000;

export interface KeyReleaseParts {
  sessions: SessionHolder;
  endorsements: (evidence: VaultEvidence) => Promise<Json>;
  appender: Pick<Appender, "append">;
  fetch?: typeof globalThis.fetch;
}

export function keyReleaser(parts: KeyReleaseParts): ReleaseKey {
  return async (wanted) => {
    try {
      return await releaseKey(parts, wanted);
    } catch (cause) {
      if (cause instanceof ModelError) throw cause;
      const known = [ServiceError, VaultError, DatabaseError].some((kind) => cause instanceof kind);
      const reason = known ? (cause as { code: string }).code : "the evidence cannot be completed";
      throw new ModelError("model_key_unavailable", `the model's key cannot be asked for: ${reason}`, {
        cause,
      });
    }
  };
}

async function releaseKey(parts: KeyReleaseParts, wanted: KeyWanted): Promise<Uint8Array> {
  const { vault } = parts.sessions.current();
  const challenge = JSON.stringify({ modelId: toHex(wanted.modelId) });
  const { nonce } = readChallengeAnswer(await exchange(parts, wanted, "challenges", challenge));
  const request = await evidenceFor(parts, vault, { ...wanted, nonce });
  const answer = await exchange(parts, wanted, "releases", writeRelease(request));
  return await openRelease(parts, request, readReleaseAnswer(answer));
}

async function evidenceFor(
  { endorsements }: KeyReleaseParts,
  vault: Vault,
  { nonce, modelId, head }: KeyWanted & { nonce: Uint8Array },
): Promise<ReleaseRequest> {
  const { hpkeKey, keysetDigest, ...evidence } = await vault.beginKeyRelease(nonce, modelId);
  return {
    nonce,
    hpkeKey,
    modelId,
    keysetDigest,
    evidence: { type: evidence.type as ReleaseRequest["evidence"]["type"], quote: evidence.quote },
    endorsements: await endorsements(evidence),
    head,
  };
}

/** The statement is in the log before the key is used. */
async function openRelease(
  { sessions, appender }: KeyReleaseParts,
  { nonce, evidence, endorsements, head }: ReleaseRequest,
  { sealedKey, ear, policyDigest }: Release,
): Promise<Uint8Array> {
  const result = documentOf("attestation-result", utf8(ear));
  const brokerKeyDigest = sha256(fromHex(parseHead(head).description.broker));
  const release = { nonce, sealedKey, brokerKeyDigest, policyDigest, resultDigest: result.digest };
  let contentKey: Uint8Array | undefined;
  try {
    const statement = await sessions.current().signWith(async (vault) => {
      const released = await vault.finishKeyRelease(release);
      contentKey = released.contentKey;
      return released.statement;
    });
    const shown = [
      documentOf("evidence", evidence.quote),
      documentOf("endorsements", utf8(jcs(endorsements))),
    ];
    await appendOwn(appender, "KeyRelease", statement, [result, ...shown]);
    return contentKey!;
  } catch (error) {
    contentKey?.fill(0);
    throw error;
  }
}

async function exchange(
  { fetch = globalThis.fetch }: KeyReleaseParts,
  { brokerUrl }: KeyWanted,
  resource: "challenges" | "releases",
  body: string,
): Promise<string> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${brokerUrl.replace(/\/$/, "")}/v1/${resource}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      redirect: "error",
      signal: AbortSignal.timeout(EXCHANGE_TIMEOUT_MS),
    });
    text = await readBounded(response);
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError("model_key_unavailable", "the owner's key broker does not answer", { cause });
  }
  if (response.status === 200) return text;
  const code = codeOf(text);
  if (response.status >= 500 || response.status === 429)
    throw new ModelError("model_key_unavailable", `the owner's key broker cannot answer: ${code}`);
  throw new ModelError("model_key_refused", `the owner's key broker gives no key: ${code}`);
}

/** A code and nothing else: the rest of a stranger's answer is not passed on. */
function codeOf(text: string): string {
  try {
    const { code } = JSON.parse(text) as { code?: unknown };
    if (typeof code === "string" && /^[a-z][a-z0-9_]{0,63}$/.test(code)) return code;
  } catch {
    // Told below.
  }
  return "it says not why";
}

async function readBounded(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > MAX_MESSAGE_BYTES)
      throw new ModelError("broker_message_malformed", "the broker's answer is too long");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
