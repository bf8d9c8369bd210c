/**
 * What a contract says to each change of a receipt: the rows come from the field tables, and a field without a row fails. The
 * chain sees no body, manifest, policy or evidence of a receipt, so that of the offline matrix only these rows reach it.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256, utf8 } from "../codec/index.ts";
import {
  ChainError,
  contractReceipt,
  deployContracts,
  quoteRegisters,
  receiptFromBundle,
  referenceValueId,
  registerKeyset,
  verifyOnChain,
  type ContractReceipt,
  type Deployment,
  type Requirements,
} from "../client/chain/index.ts";
import {
  attestationToJson,
  audienceDigest,
  NOT_COMPARED,
  OUTCOMES,
  SaltedDigests,
  STATEMENT_FIELDS,
  statementDigest,
  type InferenceStatement,
  type StatementOf,
} from "../receipts/index.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { createIssuer, NOW_MS, type Issuer } from "./receipt-fixture.ts";

const CHAIN_ID = 31337;
const CONSUMER = `0x${"c0".repeat(20)}` as const;
const AUDIENCE = audienceDigest(BigInt(CHAIN_ID), new Uint8Array(20).fill(0xc0));
const PLAIN: Requirements = { delivered: 0, pinnedAtSeconds: 0n, maxAgeSeconds: 0n };

let chain: Chain;
let deployment: Deployment;
let issuer: Issuer;

beforeAll(async () => {
  chain = await startAnvil({ nowSeconds: NOW_MS / 1000 });
  issuer = await createIssuer();
  const { writer } = chain;
  ({ deployment } = await deployContracts(writer, {
    owner: writer.wallet.account.address,
    delaySeconds: 0n,
    referenceValues: [referenceValueId("development", quoteRegisters(issuer.record.evidence.quote))],
    tcbStatuses: 1,
    tcbFloor: 0,
    quoteVerifiers: {},
    development: true,
  }));
  const { registration } = await registerKeyset(writer, deployment, async (nonce) =>
    JSON.stringify(attestationToJson(await issuer.attestation(Buffer.from(nonce, "hex")))),
  );
  expect(registration).toMatchObject({ technology: "development", listed: true });
}, 60_000);
afterAll(() => chain.stop());

/** `ok`, or the contract's error. */
async function verdict(receipt: ContractReceipt, requirements = PLAIN): Promise<string> {
  try {
    await verifyOnChain(chain.reader, deployment.receiptVerifier, CONSUMER, receipt, requirements);
    return "ok";
  } catch (error) {
    if (error instanceof ChainError && error.code === "contract_reverted") return error.detail ?? "untyped";
    throw error;
  }
}

function honest(): ContractReceipt {
  const { bundle, privatePart } = issuer.issue({ audience: AUDIENCE });
  return receiptFromBundle(bundle, privatePart);
}

/** Another value of the field's type. */
function flipped(value: unknown): unknown {
  if (typeof value === "number") return value ^ 1;
  if (typeof value === "bigint") return value ^ 1n;
  const text = value as string;
  return text.slice(0, -1) + (text.endsWith("0") ? "1" : "0");
}

function withField<T extends object>(target: T, name: string, value: unknown): T {
  if (!Object.hasOwn(target, name)) throw new Error(`no member ${name}`);
  return { ...target, [name]: value };
}

test("an honest receipt", async () => {
  expect(await verdict(honest())).toBe("ok");
});

type FieldName = (typeof STATEMENT_FIELDS.InferenceStatement)[number]["name"];
const IN_FUTURE_MS = BigInt(NOW_MS + 3_600_000);

/** Changed; changed and signed again by the right key; null where the contract leaves the field to its consumer. */
const ROWS: Record<FieldName, { flipped: string; resigned: string | null; to?: unknown }> = {
  requestId: { flipped: "signer_mismatch", resigned: null },
  modelId: { flipped: "signer_mismatch", resigned: null },
  inputCommitment: { flipped: "signer_mismatch", resigned: null },
  outputDigest: { flipped: "signer_mismatch", resigned: "output_mismatch" },
  requestDigest: { flipped: "signer_mismatch", resigned: null },
  responseDigest: { flipped: "signer_mismatch", resigned: null },
  circuitInput: { flipped: "signer_mismatch", resigned: null },
  executionDigest: { flipped: "signer_mismatch", resigned: null },
  keysetDigest: { flipped: "keyset_unknown", resigned: "keyset_unknown" },
  policyDigest: { flipped: "signer_mismatch", resigned: null },
  requester: { flipped: "signer_mismatch", resigned: null },
  audience: { flipped: "audience_mismatch", resigned: "audience_mismatch" },
  settlement: { flipped: "signer_mismatch", resigned: null },
  promised: { flipped: "signer_mismatch", resigned: null },
  promiseDeadlineMs: { flipped: "signer_mismatch", resigned: null },
  issuedAtMs: { flipped: "signer_mismatch", resigned: "issued_in_future", to: IN_FUTURE_MS },
  sequence: { flipped: "signer_mismatch", resigned: null },
};

describe.each(STATEMENT_FIELDS.InferenceStatement)("$name", ({ name }) => {
  test("changed", async () => {
    const receipt = honest();
    const { statement } = receipt;
    const changed = withField(statement, name, flipped(Reflect.get(statement, name)));
    expect(await verdict({ ...receipt, statement: changed })).toBe(ROWS[name].flipped);
  });

  test("changed and signed again", async () => {
    const { resigned, to } = ROWS[name];
    const { bundle, privatePart } = issuer.issue({ audience: AUDIENCE });
    const old = bundle.statement[name];
    const value = to ?? (old instanceof Uint8Array ? sha256(old) : flipped(old));
    const again = issuer.issue({ audience: AUDIENCE, [name]: value } as Partial<InferenceStatement>);
    expect(await verdict(receiptFromBundle(again.bundle, privatePart))).toBe(resigned ?? "ok");
  });
});

test.each([
  ["r", "signer_mismatch"],
  ["s", "signer_mismatch"],
  ["v", "signer_mismatch"],
] as const)("%s of the signature changed", async (part, code) => {
  const receipt = honest();
  const { signature } = receipt;
  const value = part === "v" ? 55 - signature.v : flipped(signature[part]);
  const got = await verdict({ ...receipt, signature: withField(signature, part, value) });
  // Another r may be no point's coordinate.
  expect([code, "signature_invalid"]).toContain(got);
});

test("a signature in its other form", async () => {
  const receipt = honest();
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const s = `0x${(order - BigInt(receipt.signature.s)).toString(16).padStart(64, "0")}` as const;
  const high = { ...receipt.signature, s, v: 55 - receipt.signature.v };
  expect(await verdict({ ...receipt, signature: high })).toBe("signature_high_s");
  expect(await verdict({ ...receipt, signature: { ...receipt.signature, v: 0 } })).toBe("signature_invalid");
});

test("output and output salt", async () => {
  const receipt = honest();
  for (const member of ["encodedOutput", "outputSalt"] as const)
    expect(await verdict(withField(receipt, member, flipped(receipt[member])))).toBe("output_mismatch");
  expect(await verdict({ ...receipt, encodedOutput: "0x" })).toBe("output_mismatch");
});

test("another consumer, and none", async () => {
  const { bundle, privatePart } = issuer.issue({ audience: new Uint8Array(32) });
  expect(await verdict(receiptFromBundle(bundle, privatePart))).toBe("audience_missing");
});

test("a receipt that is too old for its consumer", async () => {
  expect(await verdict(honest(), { ...PLAIN, maxAgeSeconds: 3600n })).toBe("ok");
  const { bundle, privatePart } = issuer.issue({
    audience: AUDIENCE,
    issuedAtMs: BigInt(NOW_MS - 7_200_000),
  });
  const receipt = receiptFromBundle(bundle, privatePart);
  expect(await verdict(receipt, { ...PLAIN, maxAgeSeconds: 3600n })).toBe("receipt_too_old");
});

const DELIVERY_ROWS: Record<string, string> = {
  subject: "delivery_invalid",
  outcome: "delivery_invalid",
  circuitId: "signer_mismatch",
  instancesDigest: "signer_mismatch",
  srsDigest: "signer_mismatch",
  difference: "signer_mismatch",
  executionDigest: "signer_mismatch",
  tolerance: "signer_mismatch",
  issuedAtMs: "signer_mismatch",
};

function some(name: string): Uint8Array {
  return sha256(utf8(name));
}

function honestDelivery<T extends "Proof" | "Reexecution">(type: T) {
  const { bundle, privatePart } = issuer.issue({ audience: AUDIENCE });
  const subject = statementDigest("InferenceStatement", bundle.statement);
  const statement = {
    subject,
    circuitId: some("circuit"),
    instancesDigest: some("instances"),
    srsDigest: some("srs"),
    executionDigest: some("execution"),
    difference: NOT_COMPARED,
    tolerance: 0n,
    outcome: OUTCOMES.delivered,
    issuedAtMs: BigInt(NOW_MS),
  };
  const names = new Set<string>(STATEMENT_FIELDS[type].map(({ name }) => name));
  const entries = Object.entries(statement).filter(([name]) => names.has(name));
  const fields = Object.fromEntries(entries) as StatementOf<T>;
  const delivery = { statement: fields, keysetDigest: issuer.digest, signature: issuer.sign(type, fields) };
  const extras = type === "Proof" ? { proof: delivery } : { reexecution: delivery };
  const { salt } = privatePart;
  const { encodedOutput } = receiptFromBundle(bundle, privatePart);
  const output = {
    outputSalt: new SaltedDigests(salt).salt("output"),
    encodedOutput: new Uint8Array(Buffer.from(encodedOutput.slice(2), "hex")),
  };
  return contractReceipt(bundle, output, extras as never);
}

describe.each(["Proof", "Reexecution"] as const)("%s", (type) => {
  const requirements = { ...PLAIN, delivered: type === "Proof" ? 1 : 2 };
  const list = type === "Proof" ? "proofs" : "reexecutions";

  test("delivered, or only promised", async () => {
    expect(await verdict(honestDelivery(type), requirements)).toBe("ok");
    const { bundle, privatePart } = issuer.issue({
      audience: AUDIENCE,
      promised: requirements.delivered,
      promiseDeadlineMs: BigInt(NOW_MS + 60_000),
    });
    expect(await verdict(receiptFromBundle(bundle, privatePart), requirements)).toBe("delivery_missing");
  });

  const names = STATEMENT_FIELDS[type].map(({ name }) => name);
  test.each(names)("%s changed", async (name) => {
    const receipt = honestDelivery(type);
    const [delivery] = receipt[list];
    const statement = withField(delivery!.statement, name, flipped(Reflect.get(delivery!.statement, name)));
    expect(await verdict({ ...receipt, [list]: [{ ...delivery!, statement }] }, requirements)).toBe(
      DELIVERY_ROWS[name],
    );
  });
});
