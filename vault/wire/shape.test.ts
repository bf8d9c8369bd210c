import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VaultError } from "../error.ts";
import { OPERATIONS, type OperationName } from "./operations.ts";
import { decode, encode, type Shape } from "./shape.ts";

const digest = new Uint8Array(32).fill(5);
const signed = {
  words: new Uint8Array(544).fill(1),
  digest,
  signature: new Uint8Array(65).fill(2),
  sequence: 7n,
  keysetDigest: digest,
};

/** One message of each layout, with every optional part present. */
const SAMPLES: { [N in OperationName]: { request: unknown; reply: unknown } } = {
  describe: {
    request: {},
    reply: {
      receiptAddress: new Uint8Array(20).fill(1),
      receiptPublicKey: new Uint8Array(33).fill(2),
      airPublicKey: digest,
      aciPublicKey: digest,
      logPublicKey: digest,
      signer: "noble",
      ownUser: true,
      dumpable: false,
      coreDumps: true,
      attester: { type: "tdx", name: "simulated", simulated: true },
      gpuAttester: { type: "nvidia-gpu", name: "nvml", simulated: false },
      measuresModels: true,
    },
  },
  drawTickets: {
    request: { count: 1024 },
    reply: [
      { requestId: digest, defaultSalt: digest },
      { requestId: digest, defaultSalt: new Uint8Array(32).fill(9) },
    ],
  },
  installKeyset: {
    request: {
      subject: "Ünïcode",
      notAfterSeconds: 2n ** 64n - 1n,
      logOrigin: "log.example",
      tlsKeys: [
        { spkiSha256: digest, domain: null },
        { spkiSha256: digest, domain: "a.example" },
      ],
    },
    reply: { text: "{}", digest },
  },
  quote: {
    request: { nonce: digest },
    reply: {
      type: "tdx",
      quote: new Uint8Array(5000).fill(3),
      certificates: [new Uint8Array(900)],
      gpu: { type: "nvidia-gpu", quote: new Uint8Array(9000) },
      measuredModels: { register: 3, before: new Uint8Array(48).fill(7), modelIds: [digest, digest] },
    },
  },
  signKeyset: {
    request: { evidenceDigest: digest, endorsementsDigest: digest, notBeforeMs: 1n, notAfterMs: 2n },
    reply: signed,
  },
  sign: {
    request: [
      {
        type: 1,
        words: new Uint8Array(544),
        projection: {
          requestHash: digest,
          responseHash: digest,
          requestSalt: digest,
          responseSalt: digest,
          modelName: "a model",
          modelVersion: "1",
          endpoint: "/v2/models/a/infer",
          challengeNonce: new Uint8Array(8),
          executionTimeMs: 3n,
        },
        allowance: digest,
      },
      { type: 3, words: new Uint8Array(512), projection: null, allowance: null },
    ],
    reply: [
      { ...signed, sealedProjections: new Uint8Array(900), spent: new Uint8Array(68) },
      new VaultError("ticket_unknown"),
    ],
  },
  defaultSalt: { request: { requestId: digest }, reply: digest },
  recordKey: { request: { context: digest }, reply: digest },
  idempotencyTag: { request: { message: new Uint8Array(65_536) }, reply: digest },
  signCheckpoint: {
    request: { size: 9n, root: digest, previousSize: 4n, consistencyProof: [digest, digest] },
    reply: {
      note: "log.example\n9\n",
      eip712: {
        origin: "log.example",
        size: 9n,
        root: digest,
        keysetDigest: digest,
        timeMs: 3n,
        digest,
        signature: new Uint8Array(65),
      },
    },
  },
  lastCheckpoint: { request: {}, reply: { size: 1n, root: digest } },
  signRevocation: { request: { kind: 2, subject: digest, fromIndex: 7n }, reply: signed },
  adoptCheckpoint: { request: { note: "a note" }, reply: { size: 1n, root: digest } },
  openProjections: {
    request: { digest, sealed: new Uint8Array(900) },
    reply: {
      air: new Uint8Array(600),
      aci: "{}",
      dstackText: "a:b",
      dstackEcdsa: new Uint8Array(65),
      dstackEd25519: new Uint8Array(64),
    },
  },
  quoteSigner: {
    request: { ed25519: true, nonce: digest },
    reply: { type: "tdx", quote: new Uint8Array(9) },
  },
  signLeaf: {
    request: { note: "a note", leaf: new Uint8Array(131), leafIndex: 3n, inclusionProof: [digest] },
    reply: { receipt: new Uint8Array(64), statement: new Uint8Array(64) },
  },
  measureModel: { request: { modelId: digest }, reply: { measured: true } },
  readFheKey: {
    request: { index: 2, offset: 1_048_576n },
    reply: { totalBytes: 30_000_000n, bytes: new Uint8Array(900) },
  },
  encryptZero: { request: {}, reply: { zero: new Uint8Array(900) } },
  signLedgerEntry: {
    request: {
      head: new Uint8Array(140),
      words: new Uint8Array(288),
      operand: "{}",
      previous: new Uint8Array(900),
      balance: new Uint8Array(901),
      proven: new Uint8Array(100),
      amount: new Uint8Array(902),
      sufficient: new Uint8Array(50),
      source: { words: new Uint8Array(288), operand: "{ }", mac: digest },
      allowance: new Uint8Array(169),
    },
    reply: {
      entry: signed,
      head: new Uint8Array(140),
      mac: digest,
      opening: signed,
      sufficient: true,
      allowance: new Uint8Array(169),
    },
  },
  installPriceList: { request: { document: "{}" }, reply: signed },
  admitAllowance: {
    request: {
      head: new Uint8Array(140),
      request: {
        account: digest,
        requestSequence: 1n,
        operation: 8,
        amountAtomic: 0n,
        operandDigest: digest,
        subject: digest,
        serverKeyDigest: digest,
        expiresAtMs: 3n,
      },
      signature: new Uint8Array(65),
      terms: new Uint8Array(148),
    },
    reply: { sealed: new Uint8Array(169), expiresAtMs: 3n, priceList: digest },
  },
  encryptAllowance: { request: { sealed: new Uint8Array(169) }, reply: { amount: new Uint8Array(900) } },
  activateAllowance: { request: { sealed: new Uint8Array(169) }, reply: {} },
  closeAllowance: { request: { sealed: new Uint8Array(169) }, reply: { sealed: new Uint8Array(169) } },
  restoreAllowances: {
    request: {
      number: 0n,
      begin: { allowances: [new Uint8Array(169)], note: "a note" },
      leaves: [
        { leaf: new Uint8Array(131), record: new Uint8Array(68) },
        { leaf: new Uint8Array(131), record: null },
      ],
      finish: true,
    },
    reply: { number: 1n, closed: [new Uint8Array(169)] },
  },
  checkLedgerEntry: {
    request: {
      entry: { words: new Uint8Array(288), operand: "{}", mac: digest },
      previous: new Uint8Array(900),
      balance: new Uint8Array(900),
      proven: null,
      amount: new Uint8Array(900),
      sufficient: new Uint8Array(90),
    },
    reply: signed,
  },
  readBalance: {
    request: {
      head: new Uint8Array(140),
      balance: new Uint8Array(900),
      request: {
        account: digest,
        requestSequence: 0n,
        operation: 64,
        amountAtomic: 0n,
        operandDigest: digest,
        subject: digest,
        serverKeyDigest: digest,
        expiresAtMs: 3n,
      },
      signature: new Uint8Array(65),
      publicKey: digest,
    },
    reply: { reading: new Uint8Array(64), opening: signed },
  },
  signCircuitBinding: { request: { document: "{}", manifest: "{ }" }, reply: signed },
  signCircuitCommitment: {
    request: {
      document: "{}",
      manifest: "{ }",
      words: new Uint8Array(544),
      leaf: new Uint8Array(131),
      leafIndex: 3n,
      note: "a note",
      inclusionProof: [digest],
      input: new Uint8Array(60),
      salt: digest,
    },
    reply: signed,
  },
  drawWorkerChallenge: { request: {}, reply: { nonce: digest, expiresAtMs: 7n } },
  admitWorker: {
    request: { nonce: digest, hpkeKey: digest, type: "tdx", quote: new Uint8Array(9), endorsements: "{}" },
    reply: { code: "ok", message: "", result: "{}", expiresAtMs: 7n },
  },
  releaseJobKey: {
    request: { nonce: digest, jobId: "7f0e3f2e-0000-4000-8000-000000000000" },
    reply: { sealedKey: new Uint8Array(80), statement: signed },
  },
  signProof: {
    request: {
      subject: digest,
      circuitId: digest,
      instancesDigest: digest,
      srsDigest: digest,
      difference: 2n ** 64n - 1n,
      outcome: 1,
    },
    reply: signed,
  },
  signReexecution: {
    request: { subject: digest, executionDigest: digest, difference: 1n, tolerance: 0n, outcome: 2 },
    reply: signed,
  },
  chainAccount: { request: {}, reply: { address: new Uint8Array(20).fill(6) } },
  signTransaction: {
    request: {
      chainId: 31337n,
      nonce: 7n,
      maxPriorityFeePerGas: 1n,
      maxFeePerGas: 2n ** 40n,
      gasLimit: 100_000n,
      to: new Uint8Array(20).fill(6),
      value: 0n,
      data: new Uint8Array(36).fill(8),
    },
    reply: { raw: new Uint8Array(150).fill(2), hash: digest },
  },
  signChainAnswer: {
    request: {
      chainId: 31337n,
      coordinator: new Uint8Array(20).fill(6),
      requester: new Uint8Array(20).fill(7),
      nonce: 0n,
      words: new Uint8Array(544),
    },
    reply: { ...signed, spent: new Uint8Array(68) },
  },
  exportRequestKeys: {
    request: {
      protocol: "ohttp",
      keyId: 7,
      aeadId: 1,
      encapsulatedKey: digest,
      sealedSalt: new Uint8Array(80).fill(4),
    },
    reply: [{ key: digest, baseNonce: new Uint8Array(12).fill(5), responseSecret: digest, salt: digest }],
  },
  readPolicy: {
    request: {},
    reply: { owner: digest, document: "{}", used: [{ name: "sign", used: 3n, perHour: 9n }] },
  },
  changePolicy: { request: { document: '{"version":1}' }, reply: signed },
  beginGiving: { request: { nonce: digest, hpkeKey: digest }, reply: { nonce: digest } },
  giveClusterKeys: {
    request: { nonce: digest, peer: { type: "tdx", quote: new Uint8Array(9), endorsements: "{}" } },
    reply: {
      sealed: new Uint8Array(300).fill(8),
      evidence: { type: "tdx", quote: new Uint8Array(9), certificates: [new Uint8Array(3)] },
      statement: signed,
    },
  },
  beginJoining: { request: {}, reply: { nonce: digest, hpkeKey: digest } },
  quoteJoining: {
    request: { nonce: digest },
    reply: { type: "tdx", quote: new Uint8Array(9), certificates: [] },
  },
  finishJoining: {
    request: {
      sealed: new Uint8Array(300).fill(8),
      peer: { type: "tdx", quote: new Uint8Array(9), endorsements: "{}" },
      policy: "{}",
    },
    reply: {},
  },
  tendSealingKeys: {
    request: { how: "rotate" },
    reply: [
      { epoch: 2, publicKey: digest, madeAtMs: 9n, endsAtMs: null },
      { epoch: 1, publicKey: digest, madeAtMs: 8n, endsAtMs: 20n },
    ],
  },
  beginKeyRelease: {
    request: { nonce: digest, modelId: digest },
    reply: {
      hpkeKey: digest,
      keysetDigest: digest,
      type: "tdx",
      quote: new Uint8Array(100).fill(6),
      certificates: [new Uint8Array(10)],
    },
  },
  finishKeyRelease: {
    request: {
      nonce: digest,
      sealedKey: new Uint8Array(80).fill(3),
      brokerKeyDigest: digest,
      policyDigest: digest,
      resultDigest: digest,
    },
    reply: { contentKey: digest, statement: signed },
  },
};

const messages = (Object.keys(SAMPLES) as OperationName[]).flatMap((name) =>
  (["request", "reply"] as const).map((side) => ({
    name: `${name} ${side}`,
    shape: OPERATIONS[name][side] as Shape<unknown>,
    value: SAMPLES[name][side],
  })),
);

const malformed = expect.objectContaining({ name: "VaultError" });

describe.each(messages)("$name", ({ shape, value }) => {
  const bytes = Buffer.from(encode(shape, value));

  it("comes back as it went", () => {
    expect(decode(shape, bytes)).toEqual(value);
  });

  it("is refused when cut anywhere or followed by anything", () => {
    const step = Math.max(1, Math.floor(bytes.length / 200));
    for (let end = 0; end < bytes.length; end += step) {
      expect(() => decode(shape, bytes.subarray(0, end))).toThrow(malformed);
    }
    expect(() => decode(shape, Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(malformed);
  });

  it("reads arbitrary bytes or refuses them by its own error, and reads what it wrote", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
        try {
          const read = decode(shape, Buffer.from(garbage));
          expect(decode(shape, Buffer.from(encode(shape, read)))).toEqual(read);
        } catch (error) {
          expect(error).toBeInstanceOf(VaultError);
        }
      }),
      { numRuns: 200 },
    );
  });
});

it("has a kind of its own for each operation, none the refusal's", () => {
  const kinds = Object.values(OPERATIONS).map((operation) => operation.kind);
  expect(new Set([0, ...kinds]).size).toBe(kinds.length + 1);
});

it.each([
  [OPERATIONS.defaultSalt.request, { requestId: new Uint8Array(31) }],
  [OPERATIONS.drawTickets.request, { count: 65_536 }],
  [OPERATIONS.drawTickets.request, { count: -1 }],
  [OPERATIONS.drawTickets.request, { count: 1.5 }],
  [OPERATIONS.idempotencyTag.request, { message: new Uint8Array(65_537) }],
  [OPERATIONS.signKeyset.request, { ...(SAMPLES.signKeyset.request as object), notAfterMs: -1n }],
  [OPERATIONS.signKeyset.request, { ...(SAMPLES.signKeyset.request as object), notAfterMs: 2n ** 64n }],
])("writes nothing out of range (%#)", (shape, value) => {
  expect(() => encode(shape as Shape<unknown>, value)).toThrow(malformed);
});
