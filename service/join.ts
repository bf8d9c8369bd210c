/** Asks another service of the cluster for the cluster's keys: the two vaults judge each other, the services carry what they say. */
import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { jcs, type Json } from "../codec/index.ts";
import { joinCluster, type OwnEvidence, type PassingRelay, type VaultEvidence } from "../vault/index.ts";
import { ConfigError, type Config } from "./config.ts";
import type { KeeperOptions } from "./keeper.ts";
import {
  challengeAnswerSchema,
  MAX_PASSING_BYTES,
  passingText,
  releaseAnswerSchema,
} from "./passing-wire.ts";

/** The other service fetches endorsements meanwhile. */
const EXCHANGE_TIMEOUT_MS = 45_000;

type Options = Pick<
  KeeperOptions,
  "keyDirectory" | "attestation" | "gpuAttestation" | "measurementRegister" | "owner" | "keyWrap" | "onLine"
>;

/**
 * Where `AFFIDAVIT_JOIN` is set and the vault has no keys yet.
 * @returns whether it got them now
 * @throws ConfigError where it is half configured, or the other service gives none; VaultError where the vault does not believe it
 */
export async function joinWhereAsked(
  config: Pick<Config, "joinUrl" | "joinKey" | "joinPolicy">,
  options: Options,
  endorsements: (evidence: VaultEvidence) => Promise<Json>,
): Promise<boolean> {
  const { joinUrl, joinKey, joinPolicy } = config;
  if (joinUrl === undefined) return false;
  if (joinKey === undefined)
    throw new ConfigError(
      "setting_invalid",
      ["AFFIDAVIT_JOIN_KEY"],
      "joining needs a key of the other service's operator",
    );
  const relay = relayTo({ url: joinUrl, key: joinKey, endorsements });
  return await joinCluster({ ...options, log: options.onLine }, relay, await readPolicy(joinPolicy));
}

async function readPolicy(file: string | undefined): Promise<string | null> {
  if (file === undefined) return null;
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new ConfigError(
      "setting_invalid",
      ["AFFIDAVIT_JOIN_POLICY"],
      `the policy cannot be read: ${(cause as Error).message}`,
    );
  }
}

interface Peer {
  url: string;
  key: string;
  endorsements: (evidence: VaultEvidence) => Promise<Json>;
}

function relayTo(peer: Peer): PassingRelay {
  return {
    begin: async (asked) => (await exchange(peer, "challenges", asked, challengeAnswerSchema)).nonce,
    async give(nonce: Uint8Array, evidence: OwnEvidence) {
      const { type, quote } = evidence;
      const shown = { type, quote, endorsements: jcs(await peer.endorsements(evidence)) };
      return await exchange(peer, "releases", { nonce, peer: shown }, releaseAnswerSchema);
    },
  };
}

async function exchange<T>(
  { url, key }: Peer,
  resource: "challenges" | "releases",
  body: object,
  schema: z.ZodType<T>,
): Promise<T> {
  let status: number;
  let text: string;
  try {
    const response = await fetch(`${url.replace(/\/$/, "")}/v1/cluster-keys/${resource}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      body: passingText(body),
      redirect: "error",
      signal: AbortSignal.timeout(EXCHANGE_TIMEOUT_MS),
    });
    status = response.status;
    text = await readBounded(response);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw refused("it does not answer", cause);
  }
  if (status !== 200) throw refused(codeOf(text));
  const result = schema.safeParse(readJson(text));
  if (!result.success) throw refused("its answer is malformed");
  return result.data;
}

async function readBounded(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > MAX_PASSING_BYTES) throw refused("its answer is too long");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** A code and nothing else: the rest of a stranger's answer is not passed on. */
function codeOf(text: string): string {
  const code: unknown = (readJson(text) as { code?: unknown } | undefined)?.code;
  return typeof code === "string" && /^[a-z][a-z0-9_]{0,63}$/.test(code) ? code : "it says not why";
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refused(why: string, cause?: unknown): ConfigError {
  return new ConfigError(
    "cluster_keys_unavailable",
    ["AFFIDAVIT_JOIN"],
    `the other service gives no keys: ${why}`,
    { cause },
  );
}
