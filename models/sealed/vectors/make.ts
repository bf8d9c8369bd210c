/**
 * Makes the vectors of sealed weights: `node models/sealed/vectors/make.ts`. Written from docs/spec/sealed-models.md alone, apart
 * from what seals files, and with fixed randomness, so that each run makes the same files.
 */
import { createCipheriv, createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const fixed = (name: string) => createHash("sha256").update(name).digest();
const view = (bytes: Uint8Array) => new Uint8Array(bytes);
const broker = await suite.kem.deriveKeyPair(view(fixed("broker")).buffer);
const brokerPublic = Buffer.from(await suite.kem.serializePublicKey(broker.publicKey));
const brokerSecret = Buffer.from(await suite.kem.serializePrivateKey(broker.privateKey));
const contentKey = fixed("content key");
const weights = Buffer.from(Array.from({ length: 100 }, (_, i) => (i * 7) % 256));

interface Recipe {
  /** The JSON as it is written; the right one by default. */
  json?: string;
  magic?: string;
  /** What the length field says, where that is not the length. */
  length?: number;
  weights?: Buffer;
  info?: string;
  /** Additional data of the content key or of the segment, where that is not the head's digest. */
  keyData?: Buffer;
  segmentData?: Buffer;
  index?: number;
  last?: number;
  alter?: (file: Buffer, headBytes: number) => Buffer;
}

function description(of: Buffer, members: object = {}): Record<string, unknown> {
  return {
    broker: brokerPublic.toString("hex"),
    modelId: fixed("model").toString("hex"),
    segmentBytes: 1_048_576,
    weights: { bytes: of.length, sha256: createHash("sha256").update(of).digest("hex") },
    ...members,
  };
}

async function seal(recipe: Recipe): Promise<Buffer> {
  const content = recipe.weights ?? weights;
  const json = Buffer.from(recipe.json ?? JSON.stringify(description(content)));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(recipe.length ?? json.length);
  const clear = Buffer.concat([Buffer.from(recipe.magic ?? "AFFWGHT1"), length, json]);
  const digest = createHash("sha256").update(clear).digest();
  const sender = await suite.createSenderContext({
    recipientPublicKey: broker.publicKey,
    info: Buffer.from(recipe.info ?? "affidavit.v1.content_key"),
    ekm: view(fixed("ephemeral")).buffer,
  });
  const wrapped = await sender.seal(view(contentKey), view(recipe.keyData ?? digest));
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(recipe.index ?? 0, 7);
  nonce[11] = recipe.last ?? 1;
  const cipher = createCipheriv("aes-256-gcm", contentKey, nonce).setAAD(recipe.segmentData ?? digest);
  const head = Buffer.concat([clear, view(new Uint8Array(sender.enc)), view(new Uint8Array(wrapped))]);
  const file = Buffer.concat([head, cipher.update(content), cipher.final(), cipher.getAuthTag()]);
  return recipe.alter?.(file, head.length) ?? file;
}

const MALFORMED = "sealed_weights_malformed";
const UNREADABLE = "sealed_weights_unreadable";
const flipped = (at: (file: Buffer, headBytes: number) => number) => (file: Buffer, headBytes: number) => {
  file[at(file, headBytes)]! ^= 1;
  return file;
};
const written = (members: object) => JSON.stringify(description(weights, members));

const cases: Record<string, { code?: string; recipe: Recipe }> = {
  valid: { recipe: {} },
  "valid-one-byte": { recipe: { weights: Buffer.of(42) } },
  "magic-other": { code: MALFORMED, recipe: { magic: "AFFWGHT2" } },
  "length-short": { code: MALFORMED, recipe: { length: 10 } },
  "length-over-limit": { code: MALFORMED, recipe: { json: `${written({})}${" ".repeat(4096)}` } },
  "json-spaced": { code: MALFORMED, recipe: { json: written({}).replace(",", ", ") } },
  "json-not-utf8": {
    code: MALFORMED,
    recipe: { alter: (file) => Buffer.from(file.fill(0xff, 20, 21)) },
  },
  "member-unknown": { code: MALFORMED, recipe: { json: written({ z: 1 }) } },
  "member-order": {
    code: MALFORMED,
    recipe: { json: JSON.stringify(Object.fromEntries(Object.entries(description(weights)).toReversed())) },
  },
  "model-id-upper-case": {
    code: MALFORMED,
    recipe: { json: written({ modelId: fixed("model").toString("hex").toUpperCase() }) },
  },
  "segment-bytes-other": { code: MALFORMED, recipe: { json: written({ segmentBytes: 65_536 }) } },
  "weights-empty": { code: MALFORMED, recipe: { weights: Buffer.alloc(0) } },
  "broker-other": { code: MALFORMED, recipe: { json: written({ broker: "09".padEnd(64, "0") }) } },
  "cut-in-the-key": {
    code: MALFORMED,
    recipe: { alter: (file, headBytes) => file.subarray(0, headBytes - 1) },
  },
  "cut-in-the-segment": { code: MALFORMED, recipe: { alter: (file) => file.subarray(0, -1) } },
  "trailing-byte": { code: MALFORMED, recipe: { alter: (file) => Buffer.concat([file, Buffer.of(0)]) } },
  "key-info-other": { code: UNREADABLE, recipe: { info: "affidavit.v1.salt" } },
  "key-of-another-head": { code: UNREADABLE, recipe: { keyData: fixed("other head") } },
  "key-altered": { code: UNREADABLE, recipe: { alter: flipped((_, headBytes) => headBytes - 1) } },
  "segment-of-another-head": { code: UNREADABLE, recipe: { segmentData: fixed("other head") } },
  "segment-index-other": { code: UNREADABLE, recipe: { index: 1 } },
  "segment-not-last": { code: UNREADABLE, recipe: { last: 0 } },
  "segment-altered": { code: UNREADABLE, recipe: { alter: flipped((_, headBytes) => headBytes) } },
  "tag-altered": { code: UNREADABLE, recipe: { alter: flipped((file) => file.length - 1) } },
  "digest-of-other-weights": {
    code: UNREADABLE,
    recipe: {
      json: written({ weights: { bytes: weights.length, sha256: fixed("other weights").toString("hex") } }),
    },
  },
};

for (const [name, { code, recipe }] of Object.entries(cases)) {
  const file = (await seal(recipe)).toString("hex");
  const expected = code === undefined ? { weights: (recipe.weights ?? weights).toString("hex") } : { code };
  const vector = { name, brokerSecretKey: brokerSecret.toString("hex"), file, expected };
  writeFileSync(new URL(`./${name}.json`, import.meta.url), `${JSON.stringify(vector, null, 2)}\n`);
}
