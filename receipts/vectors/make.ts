/**
 * Writes the vectors beside it, one case a file: `node receipts/vectors/make.ts`. Keys and values are fixed and
 * signatures deterministic, so that a run changes nothing unless an encoding changed.
 */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak256, sha256, toHex, toHex0x, utf8 } from "../../codec/index.ts";
import * as receipts from "../index.ts";
import type { Field, StatementType } from "../index.ts";
import { Shape } from "../shape.ts";
import { readStatement } from "../statement-json.ts";
import type { Value, Values, Vector } from "./run.ts";
import { runVector } from "./run.ts";

const RECEIPT_KEY = sha256(utf8("vector receipt key"));
const LOG_KEY = sha256(utf8("vector log key"));
const WITNESS_KEY = sha256(utf8("vector witness key"));
const SALT = toHex0x(sha256(utf8("vector salt")));
const KEYSET_TEXT = receipts.buildKeyset({
  receiptPublicKey: secp256k1.getPublicKey(RECEIPT_KEY),
  aciPublicKey: ed25519.getPublicKey(sha256(utf8("vector aci key"))),
  airPublicKey: ed25519.getPublicKey(sha256(utf8("vector air key"))),
  notAfterSeconds: 1_900_000_000,
  subject: null,
  encryptionKeys: [],
  tlsKeys: [{ spkiSha256: sha256(utf8("vector spki")), domain: null, custody: "service" }],
  log: { origin: "log.example/vectors", publicKey: ed25519.getPublicKey(LOG_KEY) },
  epoch: 1,
  fhePublicKeyDigests: [],
  measurements: {},
  attester: { type: "tdx", name: "simulated", simulated: true },
});
const KEYSET_DIGEST = toHex0x(receipts.keysetDigest(KEYSET_TEXT));

function vector(kind: string, name: string, comment: string, input: Values): Vector {
  return { kind, name, comment, input, expected: runVector({ kind, input }) };
}

function sign(digest: Uint8Array): Uint8Array {
  const recovered = secp256k1.sign(digest, RECEIPT_KEY, { prehash: false, format: "recovered" });
  return receipts.packSignature(recovered.subarray(1), recovered[0]!);
}

function fieldValue(type: StatementType, field: Field): Value {
  const seed = keccak256(utf8(`${type}.${field.name}`));
  if (field.name === "keysetDigest") return KEYSET_DIGEST;
  if (field.type === "bytes32") return toHex0x(seed);
  if (field.type === "uint8") return 3;
  if (field.type === "uint64") return (BigInt(toHex0x(seed)) >> 200n).toString();
  return "log.example/vectors";
}

function statementInput(type: StatementType): Values {
  const table: readonly Field[] = receipts.STATEMENT_FIELDS[type];
  const fields = Object.fromEntries(table.map((field) => [field.name, fieldValue(type, field)]));
  const digest = receipts.statementDigest(
    type,
    readStatement(new Shape("statement_invalid"), type, fields, "fields"),
  );
  return { type, fields, keysetDigest: KEYSET_DIGEST, signature: toHex0x(sign(digest)) };
}

function statementVectors(): Vector[] {
  const signed = receipts.STATEMENT_TYPES.map((type) =>
    vector(
      "statement",
      `statement-${type}`,
      "signed by the receipt key of keyset.json",
      statementInput(type),
    ),
  );
  const tampered = (receipts.STATEMENT_FIELDS.InferenceStatement as readonly Field[]).map((field) => {
    const input = statementInput("InferenceStatement");
    const fields = { ...(input.fields as Values) };
    const value = fields[field.name];
    if (typeof value === "number") fields[field.name] = value ^ 1;
    else if (field.type === "uint64") fields[field.name] = (BigInt(value as string) ^ 1n).toString();
    else fields[field.name] = `${String(value).slice(0, -1)}${String(value).endsWith("0") ? "1" : "0"}`;
    const comment = `${field.name} changed under the same signature: signer is not the receipt address`;
    return vector("statement", `statement-tampered-${field.name}`, comment, { ...input, fields });
  });
  const words = receipts.encodeStatement("Revocation", {
    kind: 1,
    subject: new Uint8Array(32).fill(1),
    fromIndex: 2n,
    issuedAtMs: 3n,
  });
  const padded = Uint8Array.from(words).fill(1, 30, 31);
  return [
    ...signed,
    ...tampered,
    vector("words", "words-valid", "", { type: "Revocation", words: toHex0x(words) }),
    vector("words", "words-padding", "a uint8 with a byte before it", {
      type: "Revocation",
      words: toHex0x(padded),
    }),
    vector("words", "words-short", "", { type: "Revocation", words: toHex0x(words.subarray(32)) }),
    vector("words", "words-other-type", "", { type: "PolicyChange", words: toHex0x(words) }),
  ];
}

function signatureVectors(): Vector[] {
  const digest = sha256(utf8("vector digest"));
  const signature = sign(digest);
  const order = secp256k1.Point.Fn.ORDER;
  const high = (order - BigInt(toHex0x(signature.subarray(32, 64)))).toString(16).padStart(64, "0");
  const flipped = signature[64] === 27 ? "1c" : "1b";
  const r = toHex(signature.subarray(0, 32));
  const s = toHex(signature.subarray(32, 64));
  const v = toHex(signature.subarray(64));
  const cases: [string, string, string][] = [
    ["recover-valid", "", r + s + v],
    ["recover-high-s", "the mirrored signature of the same key", r + high + flipped],
    ["recover-v-zero", "v as 0 or 1", `${r}${s}00`],
    ["recover-r-zero", "", "00".repeat(32) + s + v],
    ["recover-s-order", "s is the group order", r + order.toString(16) + v],
    ["recover-short", "", r + s],
    ["recover-other-v", "well-formed, but another signer", r + s + flipped],
  ];
  return cases.map(([name, comment, hex]) =>
    vector("recover", name, comment, { digest: toHex0x(digest), signature: `0x${hex}` }),
  );
}

function digestVectors(): Vector[] {
  const input = {
    salt: SALT,
    canonicalInput: "0x0100000000",
    encodedOutput: toHex0x(utf8("an output of thirty-three bytes..")),
    requestBody: toHex0x(utf8('{"inputs":[]}')),
    responseBody: "0x",
    requester: "account:00000000-0000-0000-0000-000000000001",
    settlement: { method: "x402", amountAtomic: "1000000000000000000", reference: "reference \u00e9" },
    audience: { chainId: "8453", consumer: `0x${"c0".repeat(20)}` },
  };
  const zero = { ...input, salt: `0x${"00".repeat(32)}` };
  return [
    vector("digests", "digests", "", input),
    vector(
      "digests",
      "digests-zero-salt",
      "the salt of public on-chain inputs: s_input and s_output are constants",
      zero,
    ),
    vector("digests", "digests-salt-short", "", { ...input, salt: SALT.slice(0, -2) }),
  ];
}

function littleEndian(array: Float32Array | Float64Array): string {
  return toHex0x(new Uint8Array(array.buffer));
}

const FLOATS = [0.1, -0.5, 1.5, 2.5, 1e-7, 123456.789, -0];

function tensorVectors(): Vector[] {
  const floats = { name: "y", datatype: "FP32", shape: [7], data: littleEndian(Float32Array.from(FLOATS)) };
  const doubles = {
    name: "a",
    datatype: "FP64",
    shape: [7, 1],
    data: littleEndian(Float64Array.from(FLOATS)),
  };
  const texts = { name: "\u00e9", datatype: "BYTES", shape: [1], data: "0x0300000061c3a9" };
  const bool = { name: "b", datatype: "BOOL", shape: [], data: "0x01" };
  const both = [floats, doubles, texts, bool];
  const encoding = String(runVector({ kind: "tensors", input: { tensors: both } }).encoding);
  const notFinite = { ...floats, shape: [1], data: "0x0000c07f" };
  const huge = { ...doubles, shape: [1], data: littleEndian(Float64Array.of(2 ** 255)) };
  const output = (name: string, kind: Values, list: Values[], comment = "") =>
    vector("output", `output-${name}`, comment, { outputKind: kind, tensors: list });
  return [
    vector("tensors", "tensors", "given out of order", { tensors: both }),
    vector("tensors", "tensors-none", "", { tensors: [] }),
    vector("tensors", "tensors-duplicate", "", { tensors: [floats, floats] }),
    vector("tensors", "tensors-shape", "", { tensors: [{ ...floats, shape: [6] }] }),
    vector("tensors", "tensors-bool", "", { tensors: [{ ...bool, data: "0x02" }] }),
    vector("parseTensors", "parse-tensors", "", { encoding }),
    vector("parseTensors", "parse-tensors-cut", "", { encoding: encoding.slice(0, -2) }),
    vector("parseTensors", "parse-tensors-trailing", "", { encoding: `${encoding}00` }),
    vector("parseTensors", "parse-tensors-version", "", { encoding: encoding.replace("0x01", "0x02") }),
    output("fixed-6", { kind: "fixedPoint", scale: 6 }, [floats, doubles], "manifest order, not name order"),
    output("fixed-0", { kind: "fixedPoint", scale: 0 }, [floats], "halves to even"),
    output("fixed-18", { kind: "fixedPoint", scale: 18 }, [doubles], "the exact value of the double"),
    output("fixed-nan", { kind: "fixedPoint", scale: 6 }, [notFinite]),
    output("fixed-overflow", { kind: "fixedPoint", scale: 0 }, [huge], "2^255"),
    output("tensor", { kind: "tensor" }, both),
    output("utf8", { kind: "utf8" }, [texts]),
    output("utf8-two", { kind: "utf8" }, [texts, bool]),
  ];
}

function keysetVectors(): Vector[] {
  const nonce = toHex0x(sha256(utf8("vector nonce")));
  const address = KEYSET_TEXT.slice(21, 61);
  const wrong = KEYSET_TEXT.replace(address, "00".repeat(20));
  return [
    vector("keyset", "keyset", "", { text: KEYSET_TEXT, nonce }),
    vector("keyset", "keyset-no-nonce", "", { text: KEYSET_TEXT, nonce: null }),
    vector("keyset", "keyset-address", "another address at the start", { text: wrong, nonce }),
    vector("keyset", "keyset-spaced", "not JCS", { text: KEYSET_TEXT.replace(",", ", "), nonce }),
  ];
}

function treeVectors(): Vector[] {
  const nodes = new Map<string, Uint8Array>();
  const roots = [toHex0x(receipts.EMPTY_ROOT)];
  const range = receipts.CompactRange.empty();
  for (let i = 0; i < 11; i++) {
    range.append(receipts.leafHash(Uint8Array.of(i)), (level, index, hash) =>
      nodes.set(`${level}/${index}`, hash),
    );
    roots.push(toHex0x(range.root()));
  }
  const node = (level: number, index: bigint) => nodes.get(`${level}/${index}`)!;
  const inclusion = (index: number, size: number) => ({
    leafHash: toHex0x(node(0, BigInt(index))),
    index: String(index),
    size: String(size),
    proof: receipts.inclusionProof(BigInt(index), BigInt(size), node).map(toHex0x),
    root: roots[size]!,
  });
  const consistency = (first: number, second: number) => ({
    first: String(first),
    second: String(second),
    firstRoot: roots[first]!,
    secondRoot: roots[second]!,
    proof: receipts.consistencyProof(BigInt(first), BigInt(second), node).map(toHex0x),
  });
  const other = { ...inclusion(6, 11), leafHash: inclusion(5, 11).leafHash };
  const short = { ...inclusion(6, 11), proof: inclusion(6, 11).proof.slice(0, -1) };
  return [
    vector("inclusion", "inclusion-one", "the only leaf; leaf i is the byte i", inclusion(0, 1)),
    vector("inclusion", "inclusion-middle", "", inclusion(6, 11)),
    vector("inclusion", "inclusion-last", "", inclusion(10, 11)),
    vector("inclusion", "inclusion-other-leaf", "", other),
    vector("inclusion", "inclusion-short", "", short),
    vector("inclusion", "inclusion-outside", "", { ...inclusion(6, 11), index: "11" }),
    vector("consistency", "consistency-empty", "", consistency(0, 11)),
    vector("consistency", "consistency-power", "", consistency(8, 11)),
    vector("consistency", "consistency-odd", "", consistency(5, 11)),
    vector("consistency", "consistency-equal", "", consistency(11, 11)),
    vector("consistency", "consistency-other-root", "", { ...consistency(5, 11), firstRoot: roots[4]! }),
    vector("consistency", "consistency-shrinking", "", { ...consistency(5, 11), first: "12" }),
  ];
}

function checkpointVectors(): Vector[] {
  const log = { name: "log.example/vectors", publicKey: ed25519.getPublicKey(LOG_KEY) };
  const witness = { name: "witness.example/vectors", publicKey: ed25519.getPublicKey(WITNESS_KEY) };
  const text = receipts.checkpointText({ origin: log.name, size: 11n, root: sha256(utf8("vector root")) });
  const time = 1_800_000_000n;
  const logLine = receipts.noteSignatureLine(
    log.name,
    receipts.noteKeyId(log.name, receipts.NOTE_TYPE_ED25519, log.publicKey),
    ed25519.sign(utf8(text), LOG_KEY),
  );
  const witnessLine = (seconds: bigint) =>
    receipts.noteSignatureLine(
      witness.name,
      receipts.noteKeyId(witness.name, receipts.NOTE_TYPE_COSIGNATURE, witness.publicKey),
      receipts.packCosignature(seconds, ed25519.sign(receipts.cosignatureMessage(text, time), WITNESS_KEY)),
    );
  const witnesses = [{ name: witness.name, publicKey: toHex0x(witness.publicKey) }];
  const input = { name: log.name, publicKey: toHex0x(log.publicKey), witnesses };
  const note = `${text}\n${logLine}`;
  return [
    vector("checkpoint", "checkpoint", "", { ...input, note }),
    vector("checkpoint", "checkpoint-cosigned", "", { ...input, note: note + witnessLine(time) }),
    vector("checkpoint", "checkpoint-cosigned-time", "time changed", {
      ...input,
      note: note + witnessLine(time + 1n),
    }),
    vector("checkpoint", "checkpoint-size", "size changed", {
      ...input,
      note: note.replace("\n11\n", "\n12\n"),
    }),
    vector("checkpoint", "checkpoint-zero", "a leading zero", {
      ...input,
      note: note.replace("\n11\n", "\n011\n"),
    }),
    vector("checkpoint", "checkpoint-other-log", "", { ...input, name: "other.example", note }),
    vector("checkpoint", "checkpoint-unsigned", "", { ...input, note: `${text}\n${witnessLine(time)}` }),
  ];
}

export function makeVectors(): Vector[] {
  return [
    ...statementVectors(),
    ...signatureVectors(),
    ...digestVectors(),
    ...tensorVectors(),
    ...keysetVectors(),
    ...treeVectors(),
    ...checkpointVectors(),
  ];
}

if (process.argv[1] === import.meta.filename) {
  for (const file of readdirSync(import.meta.dirname)) {
    if (file.endsWith(".json")) rmSync(join(import.meta.dirname, file));
  }
  for (const made of makeVectors()) {
    writeFileSync(join(import.meta.dirname, `${made.name}.json`), `${JSON.stringify(made, null, 2)}\n`);
  }
}
