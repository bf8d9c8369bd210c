/**
 * A broker's folder: `broker.key` (mode 0600), PEM of its X25519 and its Ed25519 key, and `policies/<model id>.json`, each
 * `{"formatVersion":1,"appraisal":{…},"revoked":false}`, read anew at every release so that the owner's edit holds from
 * then on. Losing the key loses every model that was sealed to it.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { appraisalPolicySchema, type AppraisalPolicyInput } from "../../attestation/index.ts";
import { fromBase64Url, sha256, toHex } from "../../codec/index.ts";
import type { ReleasePolicy } from "./broker.ts";
import { BrokerError } from "./error.ts";

const KEY_FILE = "broker.key";
const POLICIES = "policies";
const MAX_KEY_BYTES = 4096;
const MAX_POLICY_BYTES = 1024 * 1024;

const policySchema = z.strictObject({
  formatVersion: z.literal(1),
  appraisal: appraisalPolicySchema,
  revoked: z.boolean().default(false),
});

export interface BrokerKeys {
  /** X25519, 32 bytes each. */
  secretKey: Uint8Array;
  publicKey: Uint8Array;
  /** Ed25519. */
  resultKey: KeyObject;
}

/** Makes the folder and its keys. @throws BrokerError `broker_state_invalid` where it has keys already, or cannot be made */
export async function createBrokerState(directory: string): Promise<BrokerKeys> {
  const format = { privateKeyEncoding: { type: "pkcs8", format: "pem" } } as const;
  const publicKeyEncoding = { type: "spki", format: "pem" } as const;
  const sealing = generateKeyPairSync("x25519", { ...format, publicKeyEncoding });
  const result = generateKeyPairSync("ed25519", { ...format, publicKeyEncoding });
  try {
    await mkdir(join(directory, POLICIES), { recursive: true, mode: 0o700 });
    const file = await open(join(directory, KEY_FILE), "wx", 0o600);
    try {
      await file.writeFile(sealing.privateKey + result.privateKey);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === "EEXIST";
    const message = exists ? "the folder holds a broker's keys already" : "the folder cannot be written";
    throw new BrokerError("broker_state_invalid", message, { cause });
  }
  return await openBrokerKeys(directory);
}

/** @throws BrokerError `broker_key_invalid` */
export async function openBrokerKeys(directory: string): Promise<BrokerKeys> {
  const text = await readKeyFile(join(directory, KEY_FILE));
  const [sealing, result, ...more] = text.match(/-----BEGIN [^]*?-----END [^\n]*\n/g) ?? [];
  try {
    const secret = createPrivateKey(sealing!);
    const resultKey = createPrivateKey(result!);
    const { d, x } = secret.export({ format: "jwk" });
    const isOfKind = secret.asymmetricKeyType === "x25519" && resultKey.asymmetricKeyType === "ed25519";
    if (isOfKind && more.length === 0)
      return { secretKey: fromBase64Url(d!), publicKey: fromBase64Url(x!), resultKey };
  } catch {
    // Told below, without repeating what the file holds.
  }
  throw new BrokerError("broker_key_invalid", "the key file holds no broker's keys");
}

async function readKeyFile(path: string): Promise<string> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { mode, size } = await file.stat();
      if ((mode & 0o077) !== 0)
        throw new BrokerError("broker_key_invalid", "others may read the key file: chmod 600");
      if (size > MAX_KEY_BYTES) throw new BrokerError("broker_key_invalid", "the key file is too long");
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause;
    throw new BrokerError("broker_key_invalid", "the key file cannot be read: affidavit broker init", {
      cause,
    });
  }
}

/** SPKI in PEM of the key that signs attestation results. */
export function resultKeyPem(resultKey: KeyObject): string {
  return createPublicKey(resultKey).export({ format: "pem", type: "spki" }) as string;
}

/** @throws BrokerError `broker_state_invalid` where the file cannot be used: no key is released on a guess */
export async function readReleasePolicy(
  directory: string,
  modelId: Uint8Array,
): Promise<ReleasePolicy | undefined> {
  const path = policyPath(directory, modelId);
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new BrokerError("broker_state_invalid", "the model's policy cannot be read", { cause });
  }
  if (bytes.length > MAX_POLICY_BYTES)
    throw new BrokerError("broker_state_invalid", "the policy is too long");
  const result = policySchema.safeParse(parseJson(bytes.toString("utf8")));
  if (!result.success) {
    const { path: place, message } = result.error.issues[0]!;
    throw new BrokerError("broker_state_invalid", `the model's policy: ${place.join(".")}: ${message}`);
  }
  const { appraisal, revoked } = result.data;
  return { appraisal, revoked, digest: sha256(bytes) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BrokerError("broker_state_invalid", "the model's policy is not JSON", { cause });
  }
}

/** Whole or not at all. */
export async function writeReleasePolicy(
  directory: string,
  modelId: Uint8Array,
  appraisal: AppraisalPolicyInput,
): Promise<void> {
  await replace(policyPath(directory, modelId), { formatVersion: 1, appraisal, revoked: false });
}

/** The policy stays, so that what was released under it can be looked up. @throws BrokerError `model_unknown` */
export async function revokeModel(directory: string, modelId: Uint8Array): Promise<void> {
  if (!(await readReleasePolicy(directory, modelId)))
    throw new BrokerError("model_unknown", "the owner has no policy for this model");
  const path = policyPath(directory, modelId);
  const value = JSON.parse(await readFile(path, "utf8")) as object;
  await replace(path, { ...value, revoked: true });
}

async function replace(path: string, value: object): Promise<void> {
  const aside = `${path}.new`;
  await writeFile(aside, `${JSON.stringify(value, null, 2)}\n`, { flush: true });
  await rename(aside, path);
}

function policyPath(directory: string, modelId: Uint8Array): string {
  return join(directory, POLICIES, `${toHex(modelId)}.json`);
}
