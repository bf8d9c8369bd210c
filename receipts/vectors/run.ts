/** What each kind of vector computes: bytes as `0x` hex in and out, a refusal as `{code}`. */
import { fromHex, toHex0x } from "../../codec/index.ts";
import * as receipts from "../index.ts";
import type { LoggedType, OutputKind, StatementType, Tensor } from "../index.ts";
import { Shape } from "../shape.ts";
import { readStatement } from "../statement-json.ts";

export type Value = null | boolean | number | string | Value[] | { [member: string]: Value };
export type Values = { [member: string]: Value };

export interface Vector {
  kind: string;
  name: string;
  comment: string;
  input: Values;
  expected: Values;
}

const bytes = (value: Value | undefined) => fromHex(value as string);
const text = (value: Value | undefined) => value as string;
const hashes = (value: Value | undefined) => (value as string[]).map((hash) => fromHex(hash));

function tensors(value: Value | undefined): Tensor[] {
  return (value as Values[]).map((tensor) => ({
    name: text(tensor.name),
    datatype: tensor.datatype as Tensor["datatype"],
    shape: tensor.shape as number[],
    data: bytes(tensor.data),
  }));
}

function tensorValues(list: readonly Tensor[]): Values[] {
  return list.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, data: toHex0x(data) }));
}

function statement(input: Values): Values {
  const type = input.type as StatementType;
  const fields = readStatement(new Shape("statement_invalid"), type, input.fields, "fields");
  const digest = receipts.statementDigest(type, fields);
  const common = {
    typeString: receipts.typeString(type),
    domainSeparator: toHex0x(receipts.DOMAIN_SEPARATOR),
    words: toHex0x(receipts.encodeStatement(type, fields)),
    digest: toHex0x(digest),
    signer: toHex0x(receipts.recoverSigner(digest, bytes(input.signature))),
  };
  if (type === "Checkpoint") return common;
  const leaf = receipts.leafData(type, digest, bytes(input.keysetDigest), bytes(input.signature));
  const header = {
    type: type as LoggedType,
    words: fromHex(common.words),
    signature: bytes(input.signature),
  };
  return {
    ...common,
    leaf: toHex0x(leaf),
    leafHash: toHex0x(receipts.leafHash(leaf)),
    header: receipts.encodeReceiptHeader(header),
  };
}

function digests(input: Values): Values {
  const salt = bytes(input.salt);
  const { settlement, audience } = input as { settlement: Values; audience: Values };
  const salts = receipts.SALT_FIELDS.map((field) => [
    `s_${field}`,
    toHex0x(receipts.deriveSalt(salt, field)),
  ]);
  return {
    ...Object.fromEntries(salts),
    inputCommitment: toHex0x(receipts.inputCommitment(salt, bytes(input.canonicalInput))),
    outputDigest: toHex0x(receipts.outputDigest(salt, bytes(input.encodedOutput))),
    requestDigest: toHex0x(receipts.requestDigest(salt, bytes(input.requestBody))),
    responseDigest: toHex0x(receipts.responseDigest(salt, bytes(input.responseBody))),
    requester: toHex0x(receipts.requesterDigest(salt, text(input.requester))),
    settlement: toHex0x(
      receipts.settlementDigest(
        salt,
        text(settlement.method),
        BigInt(text(settlement.amountAtomic)),
        text(settlement.reference),
      ),
    ),
    audience: toHex0x(receipts.audienceDigest(BigInt(text(audience.chainId)), bytes(audience.consumer))),
  };
}

function keyset(input: Values): Values {
  const document = receipts.parseKeyset(text(input.text));
  const digest = receipts.keysetDigest(text(input.text));
  const nonce = input.nonce === null ? null : bytes(input.nonce);
  return {
    receiptAddress: toHex0x(document.receiptAddress),
    notAfterSeconds: document.notAfterSeconds,
    digest: toHex0x(digest),
    attestationStatement: receipts.attestationStatement(digest, nonce),
    reportData: toHex0x(receipts.reportData(digest, nonce)),
    gpuNonce: toHex0x(receipts.gpuNonce(digest, nonce)),
  };
}

function inclusion(input: Values): Values {
  const index = BigInt(text(input.index));
  const size = BigInt(text(input.size));
  receipts.verifyInclusion(bytes(input.leafHash), index, size, hashes(input.proof), bytes(input.root));
  return { valid: true };
}

function consistency(input: Values): Values {
  const first = BigInt(text(input.first));
  const second = BigInt(text(input.second));
  receipts.verifyConsistency(
    first,
    second,
    bytes(input.firstRoot),
    bytes(input.secondRoot),
    hashes(input.proof),
  );
  return { valid: true };
}

function checkpoint(input: Values): Values {
  const log = { name: text(input.name), publicKey: bytes(input.publicKey) };
  const { size, root, note } = receipts.verifyCheckpoint(text(input.note), log);
  const witnesses = (input.witnesses as Values[]).map((witness) => ({
    name: text(witness.name),
    publicKey: bytes(witness.publicKey),
  }));
  const cosignatures = receipts.verifyCosignatures(note, witnesses);
  return {
    size: size.toString(),
    root: toHex0x(root),
    nonce: toHex0x(receipts.checkpointNonce(note.text)),
    cosignatures: cosignatures.map(({ name, timestampSeconds }) => ({
      name,
      timestampSeconds: timestampSeconds.toString(),
    })),
  };
}

const RUN: Record<string, (input: Values) => Values> = {
  statement,
  words: (input) => {
    receipts.decodeStatement(input.type as StatementType, bytes(input.words));
    return { valid: true };
  },
  recover: (input) => ({
    signer: toHex0x(receipts.recoverSigner(bytes(input.digest), bytes(input.signature))),
  }),
  digests,
  tensors: (input) => ({ encoding: toHex0x(receipts.canonicalTensors(tensors(input.tensors))) }),
  parseTensors: (input) => ({ tensors: tensorValues(receipts.parseCanonicalTensors(bytes(input.encoding))) }),
  output: (input) => ({
    encodedOutput: toHex0x(receipts.encodeOutput(input.outputKind as OutputKind, tensors(input.tensors))),
  }),
  keyset,
  inclusion,
  consistency,
  checkpoint,
};

/** The result of a vector's input, or the code of its refusal. */
export function runVector(vector: Pick<Vector, "kind" | "input">): Values {
  const run = RUN[vector.kind];
  if (run === undefined) throw new Error(`unknown kind of vector: ${vector.kind}`);
  try {
    return run(vector.input);
  } catch (error) {
    if (error instanceof receipts.ReceiptError) return { code: error.code };
    throw error;
  }
}
