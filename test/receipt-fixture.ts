/**
 * A whole service on paper: test keys, keyset, evidence of the simulated TEE, a small log, and receipts under them, so that
 * any field can be changed and signed again by the right key.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { createSimulatedAttester, openGpus } from "../attestation/attest/index.ts";
import { simulatedGpuEndorsements } from "../attestation/attest/simulated-nvidia.ts";
import { sha256, utf8 } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import { parseInferRequest, parseInferResponse, parseManifest } from "../models/client.ts";
import {
  buildKeyset,
  canonicalTensors,
  checkpointNonce,
  checkpointText,
  documentDigest,
  encodeOutput,
  encodeReceiptHeader,
  encodeStatement,
  endorsementsDigest,
  evidenceDigest,
  gpuNonce,
  modelEventDigest,
  formatNote,
  inclusionProof,
  inputCommitment,
  keysetDigest,
  leafData,
  leafHash,
  nodeHash,
  NOTE_TYPE_ED25519,
  noteKeyId,
  outputDigest,
  packSignature,
  reportData,
  REVOCATION_KINDS,
  requestDigest,
  requesterDigest,
  responseDigest,
  statementDigest,
  treeRoot,
  type AttestationDocument,
  type InferenceStatement,
  type KeysetRecord,
  type KeysetStatement,
  type EvidenceParts,
  type LogProof,
  type LoggedType,
  type PrivatePart,
  type ReceiptBundle,
  type Revocation,
  type RevocationKind,
  type StatementOf,
} from "../receipts/index.ts";
import { hpkeKeysetKey } from "../sealing/index.ts";
import { RequestOpener } from "../vault/host/request-opener.ts";
import { x25519FromPrivateKey } from "../vault/host/x25519.ts";
import { EXECUTION_TEXT, MANIFEST_TEXT, POLICY_TEXT, requestBody, responseBody } from "./model-fixture.ts";

export const NOW_MS = Date.UTC(2026, 2, 1, 12);
export const NOW = new Date(NOW_MS);
export const ORIGIN = "log.test/affidavit";
export const REQUESTER = "account:fixture";
export const SALT = new Uint8Array(32).fill(0x5a);
const LIFETIME_MS = 24 * 3_600_000;
const FILLERS = 5;

export interface IssuerOptions {
  /** Draws the keys. */
  seed?: number;
  /** Draws the HPKE key, which is the cluster's: other keysets have it too. null: the keyset has none. */
  hpkeSeed?: number | null;
  notAfterSeconds?: number;
  /** What the Keyset statement says instead, signed as it is. */
  stated?: Partial<KeysetStatement>;
  /** What the evidence is over instead. */
  evidenceOver?: { keysetDigest?: Uint8Array; nonce?: Uint8Array };
  /** How many leaves the log had when the evidence was made; the keyset's leaf comes after five. */
  attestedSize?: number;
  /** Puts another leaf where the keyset's should be. */
  unlogged?: boolean;
  /** Signs checkpoints with another key than the keyset's log key. */
  logSeed?: number;
  /** What checkpoints and proofs name as their log. */
  proofOrigin?: string;
  /** A simulated GPU's evidence beside the quote, and the fixture's model measured before it. */
  devices?: DeviceOptions;
  /** A TDX machine under a root that is neither a maker's nor the simulated one; GPUs then have no endorsements. */
  machine?: { quote(reportData: Uint8Array): Uint8Array; endorsements: { [member: string]: Json } };
}

export interface DeviceOptions {
  /** What the GPU's evidence is over instead. */
  gpuNonce?: Uint8Array;
  /** Models that are said to be measured instead. */
  modelIds?: Uint8Array[];
  /** What goes with the quote at last. */
  parts?: (parts: Omit<EvidenceParts, "quote">) => Omit<EvidenceParts, "quote">;
}

export interface Call {
  salt?: Uint8Array;
  request?: PrivatePart["request"];
  response?: PrivatePart["response"];
  manifest?: string;
  policy?: string;
  execution?: string;
  /** Whether the receipt holds its own inclusion proof, and the leaf's index for it. */
  included?: boolean;
}

export interface Receipt {
  bundle: Extract<ReceiptBundle, { type: "InferenceStatement" }>;
  privatePart: PrivatePart;
}

export interface Issuer {
  record: KeysetRecord;
  /** Holds the keyset's HPKE key. */
  opener: RequestOpener;
  digest: Uint8Array;
  sign<T extends LoggedType>(type: T, statement: StatementOf<T>): Uint8Array;
  /** Evidence over a nonce, for this keyset, or another. */
  quote(nonce: Uint8Array, digest?: Uint8Array): Promise<KeysetRecord["evidence"]>;
  /** A signed note of this log. */
  note(text: string): string;
  issue(changes?: Partial<InferenceStatement>, call?: Call): Receipt;
  abort(changes?: Partial<StatementOf<"Aborted">>, call?: Call): Abortion;
  attestation(nonce: Uint8Array): Promise<AttestationDocument>;
  /** Signed and in the log, after the keyset. */
  revoke(kind: RevocationKind, subject: Uint8Array): Revocation;
}

export interface Abortion {
  bundle: Extract<ReceiptBundle, { type: "Aborted" }>;
  privatePart: PrivatePart;
}

function secret(what: string, seed: number): Uint8Array {
  return sha256(utf8(`receipt fixture ${what} ${seed}`));
}

/** The receipt key of an issuer with that seed. */
export function receiptSecret(seed = 1): Uint8Array {
  return secret("receipt", seed);
}

/** Proofs over a few leaves, each hash computed anew: the trees are tiny. */
function treeOf(leaves: Uint8Array[]) {
  const node = (level: number, index: bigint): Uint8Array =>
    level === 0
      ? leafHash(leaves[Number(index)]!)
      : nodeHash(node(level - 1, 2n * index), node(level - 1, 2n * index + 1n));
  return {
    root: (size: number) => treeRoot(BigInt(size), node),
    proof: (index: number, size: number) => inclusionProof(BigInt(index), BigInt(size), node),
  };
}

function fillerOf(seed: number, i: number): Uint8Array {
  return leafData("Revocation", sha256(Uint8Array.of(seed, i)), new Uint8Array(32), new Uint8Array(65));
}

export async function createIssuer(options: IssuerOptions = {}): Promise<Issuer> {
  const { seed = 1, attestedSize = FILLERS, proofOrigin = ORIGIN } = options;
  const receiptKey = receiptSecret(seed);
  const logSecret = secret("log", options.logSeed ?? seed);
  const attester = createSimulatedAttester();
  const sealingKey = x25519FromPrivateKey(secret("hpke", options.hpkeSeed ?? 1));
  const opener = new RequestOpener(() => [{ epoch: 1, key: sealingKey }]);
  const { devices } = options;
  const gpu = devices && (await openGpus("simulated", { log: () => {} }));
  const modelId = documentDigest(MANIFEST_TEXT);
  if (devices) await attester.register!.extend(modelEventDigest(modelId));
  const notAfterSeconds = options.notAfterSeconds ?? (NOW_MS + LIFETIME_MS) / 1000;
  const text = buildKeyset({
    receiptPublicKey: secp256k1.getPublicKey(receiptKey),
    aciPublicKey: ed25519.getPublicKey(secret("aci", seed)),
    airPublicKey: ed25519.getPublicKey(secret("air", seed)),
    notAfterSeconds,
    subject: "affidavit://fixture",
    encryptionKeys: options.hpkeSeed === null ? [] : [hpkeKeysetKey(1, sealingKey.publicKey)],
    tlsKeys: [],
    log: { origin: ORIGIN, publicKey: ed25519.getPublicKey(secret("log", seed)) },
    epoch: 1,
    fhePublicKeyDigests: [],
    measurements: {},
    attester: {
      type: attester.type,
      name: attester.name,
      simulated: attester.simulated,
      ...(gpu && { gpu: { type: gpu.type, name: gpu.name, simulated: gpu.simulated } }),
    },
  });
  const digest = keysetDigest(text);

  const sign = <T extends LoggedType>(type: T, statement: StatementOf<T>): Uint8Array => {
    const signed = secp256k1.sign(statementDigest(type, statement), receiptKey, {
      prehash: false,
      format: "recovered",
    });
    return packSignature(signed.subarray(1), signed[0]!);
  };
  const note = (body: string): string => {
    const keyId = noteKeyId(proofOrigin, NOTE_TYPE_ED25519, ed25519.getPublicKey(logSecret));
    const signature = ed25519.sign(utf8(body), logSecret);
    return formatNote({ text: body, signatures: [{ keyName: proofOrigin, keyId, signature }] });
  };
  const partsOver = async (nonce: Uint8Array): Promise<Omit<EvidenceParts, "quote">> => {
    if (!gpu) return {};
    const list = await gpu.collect(devices?.gpuNonce ?? gpuNonce(digest, nonce));
    const modelIds = devices?.modelIds ?? [modelId];
    const measuredModels = { register: 3, before: new Uint8Array(48), modelIds } as const;
    const parts = { gpu: { type: gpu.type, quote: list }, measuredModels };
    return devices?.parts?.(parts) ?? parts;
  };
  const quote = async (nonce: Uint8Array, of = digest) => ({
    type: attester.type,
    quote: await (options.machine ?? attester).quote(reportData(of, nonce)),
    ...(await partsOver(nonce)),
    nonce,
  });

  const filler = (i: number): Uint8Array => fillerOf(seed, i);
  const before = Array.from({ length: FILLERS }, (_, i) => filler(i));
  const after = [filler(FILLERS), filler(FILLERS + 1)];
  const head = (leaves: Uint8Array[], size: number): string =>
    note(checkpointText({ origin: proofOrigin, size: BigInt(size), root: treeOf(leaves).root(size) }));
  // An evidence younger than the keyset's leaf is over a head of leaves that come later; what they are does not matter.
  const attestedCheckpoint = head([...before, ...after, ...after], attestedSize);
  const nonce = checkpointNonce(attestedCheckpoint.slice(0, attestedCheckpoint.indexOf("\n\n") + 1));
  const over = options.evidenceOver ?? {};
  const evidence = {
    ...(await quote(over.nonce ?? nonce, over.keysetDigest)),
    nonce,
  };
  const collateral =
    options.machine?.endorsements ?? ((await attester.endorsements(NOW)) as { [member: string]: Json });
  const gpuEndorsements = options.machine ? null : simulatedGpuEndorsements();
  const endorsements = gpu ? { cpu: collateral, gpu: gpuEndorsements } : collateral;
  const statement: KeysetStatement = {
    keysetDigest: digest,
    evidenceDigest: evidenceDigest(evidence),
    endorsementsDigest: endorsementsDigest(endorsements),
    notBeforeMs: BigInt(NOW_MS - 3_600_000),
    notAfterMs: BigInt(notAfterSeconds) * 1000n,
    ...options.stated,
  };
  const signature = sign("Keyset", statement);
  const keysetLeaf = options.unlogged
    ? filler(99)
    : leafData("Keyset", statementDigest("Keyset", statement), digest, signature);
  const leaves = [...before, keysetLeaf, ...after];
  const place = (all: Uint8Array[], index: number): LogProof => ({
    origin: proofOrigin,
    leafIndex: BigInt(index),
    proof: treeOf(all).proof(index, all.length),
    checkpoint: head(all, all.length),
  });
  const record: KeysetRecord = {
    keyset: text,
    keysetStatement: { statement, signature },
    evidence,
    endorsements,
    keysetLog: { ...place(leaves, FILLERS), attestedCheckpoint },
  };

  const parts = (
    type: "InferenceStatement" | "Aborted",
    call: Call,
    words: Uint8Array,
    signed: Uint8Array,
    leaf: Uint8Array,
  ) => ({
    signature: signed,
    receipt: encodeReceiptHeader({ type, words, signature: signed }),
    ...record,
    manifest: call.manifest ?? MANIFEST_TEXT,
    policy: call.policy ?? POLICY_TEXT,
    execution: call.execution ?? EXECUTION_TEXT,
    inclusion: call.included ? place([...leaves, leaf], leaves.length) : null,
  });

  return {
    opener,
    record,
    digest,
    sign,
    quote,
    note,
    issue(changes = {}, call = {}) {
      const privatePart = privatePartOf(call);
      const made = { ...honestStatement(digest, privatePart, call), ...changes };
      const signed = sign("InferenceStatement", made);
      const words = encodeStatement("InferenceStatement", made);
      const leaf = leafData(
        "InferenceStatement",
        statementDigest("InferenceStatement", made),
        digest,
        signed,
      );
      const bundle = {
        type: "InferenceStatement",
        statement: made,
        ...parts("InferenceStatement", call, words, signed, leaf),
      } as const;
      return { bundle, privatePart };
    },
    abort(changes = {}, call = {}) {
      const privatePart = privatePartOf(call);
      const { outputDigest: _, ...honest } = honestStatement(digest, privatePart, call);
      const made = { ...honest, ...changes };
      const signed = sign("Aborted", made);
      const words = encodeStatement("Aborted", made);
      const leaf = leafData("Aborted", statementDigest("Aborted", made), digest, signed);
      const bundle = {
        type: "Aborted",
        statement: made,
        ...parts("Aborted", call, words, signed, leaf),
      } as const;
      return { bundle, privatePart };
    },
    attestation: async (own) => ({ ...record, fresh: await quote(own) }),
    revoke(kind, subject) {
      const fromIndex = BigInt(leaves.length);
      const made = { kind: REVOCATION_KINDS[kind], subject, fromIndex, issuedAtMs: BigInt(NOW_MS) };
      const signed = sign("Revocation", made);
      const leaf = leafData("Revocation", statementDigest("Revocation", made), digest, signed);
      return {
        statement: made,
        signature: signed,
        keyset: text,
        log: place([...leaves, leaf], leaves.length),
      };
    },
  };
}

function privatePartOf(call: Call): PrivatePart {
  const request = call.request ?? requestBody();
  const response = call.response ?? responseBody();
  return { salt: call.salt ?? SALT, requester: REQUESTER, request, response };
}

function honestStatement(
  digest: Uint8Array,
  { salt, request, response }: PrivatePart,
  call: Call,
): InferenceStatement {
  const manifest = call.manifest ?? MANIFEST_TEXT;
  const { inputs } = parseInferRequest(request.bytes, request.headerLength ?? undefined);
  const { outputs } = parseInferResponse(response.bytes, response.headerLength ?? undefined);
  const kind = parseManifest(manifest).outputKind;
  const none = new Uint8Array(32);
  return {
    requestId: sha256(utf8("request")),
    modelId: documentDigest(manifest),
    inputCommitment: inputCommitment(salt, canonicalTensors(inputs)),
    outputDigest: outputDigest(salt, encodeOutput(kind, outputs)),
    requestDigest: requestDigest(salt, request.bytes),
    responseDigest: responseDigest(salt, response.bytes),
    circuitInput: none,
    executionDigest: documentDigest(call.execution ?? EXECUTION_TEXT),
    keysetDigest: digest,
    policyDigest: documentDigest(call.policy ?? POLICY_TEXT),
    requester: requesterDigest(salt, REQUESTER),
    audience: none,
    settlement: none,
    promised: 0,
    promiseDeadlineMs: 0n,
    issuedAtMs: BigInt(NOW_MS - 1000),
    sequence: 7n,
  };
}
