import { secp256k1 } from "@noble/curves/secp256k1.js";
import { beforeAll, describe, expect, it } from "vitest";
import { jcs, sha256, utf8 } from "../codec/index.ts";
import { manifestText } from "../models/client.ts";
import {
  encodeReceiptHeader,
  encodeStatement,
  type PrivatePart,
  type ReceiptBundle,
} from "../receipts/index.ts";
import { fixtureManifest, requestBody, responseBody } from "../test/model-fixture.ts";
import { createIssuer, NOW, NOW_MS, type Issuer, type IssuerOptions } from "../test/receipt-fixture.ts";
import { floats } from "../test/tensors.ts";
import type { ClientPolicy } from "./policy.ts";
import { verifyKeyset, verifyReceipt, type VerifyOptions } from "./verify.ts";

type Appraisal = NonNullable<ClientPolicy["appraisal"]>;
const SIMULATED = { allowSimulated: true };
const HOUR_MS = 3_600_000;
let issuer: Issuer;

beforeAll(async () => {
  issuer = await createIssuer();
});

function verdict(bundle: ReceiptBundle, options: Partial<VerifyOptions> = {}) {
  return verifyReceipt(bundle, { now: NOW, policy: SIMULATED, ...options });
}

function code(
  made: { bundle: ReceiptBundle; privatePart: PrivatePart },
  options: Partial<VerifyOptions> = {},
) {
  return verdict(made.bundle, { privatePart: made.privatePart, ...options }).code;
}

async function codeOfIssuer(options: IssuerOptions): Promise<string> {
  return code((await createIssuer(options)).issue());
}

describe("a statement signed by the right key is refused where it is not true:", () => {
  it("another model's output", () => {
    const otherText = manifestText(fixtureManifest("other"));
    const honest = issuer.issue();
    const theirs = issuer.issue(
      {},
      { response: responseBody([floats("logit", [3]), floats("aux", [1, 1])]) },
    );
    const mixed = { ...honest.privatePart, response: theirs.privatePart.response };
    expect(code({ bundle: honest.bundle, privatePart: mixed })).toBe("response_digest_mismatch");
    const { outputDigest } = theirs.bundle.statement;
    expect(code(issuer.issue({ outputDigest }))).toBe("output_digest_mismatch");
    expect(code({ ...honest, bundle: { ...honest.bundle, manifest: otherText } })).toBe("model_id_mismatch");
    // All of it signed as the other model's, the response still names its own.
    expect(code(issuer.issue({}, { manifest: otherText }))).toBe("response_invalid");
    const named = issuer.issue({}, { response: responseBody(undefined, { modelVersion: "9" }) });
    expect(code(named)).toBe("response_invalid");
    expect(code(honest, { expect: { model: { name: "other" } } })).toBe("model_unexpected");
    expect(code(honest, { expect: { model: { name: "fixture", version: "2" } } })).toBe("model_unexpected");
    expect(code(honest, { expect: { modelId: sha256(new Uint8Array(1)) } })).toBe("model_unexpected");
    expect(code(honest, { expect: { model: { name: "fixture", version: "1.0.0" } } })).toBe("ok");
  });

  it("another request's input", () => {
    const other = issuer.issue(
      {},
      {
        request: requestBody(
          floats(
            "x",
            Array.from({ length: 30 }, () => 2),
          ),
        ),
      },
    );
    const { inputCommitment, requestDigest } = other.bundle.statement;
    expect(code(issuer.issue({ inputCommitment }))).toBe("input_commitment_mismatch");
    expect(code(issuer.issue({ inputCommitment, requestDigest }))).toBe("request_digest_mismatch");
    const { privatePart } = issuer.issue();
    expect(code({ bundle: other.bundle, privatePart })).toBe("request_digest_mismatch");
    const salted = { ...privatePart, salt: new Uint8Array(32) };
    expect(code({ bundle: issuer.issue().bundle, privatePart: salted })).toBe("requester_mismatch");
  });

  it("bodies that hold no Open Inference message, or outputs that were not asked for", () => {
    const { privatePart } = issuer.issue();
    const garbage = { ...privatePart.request, bytes: new Uint8Array(8) };
    const honest = issuer.issue().bundle.statement;
    const answered = (response: PrivatePart["response"]) =>
      code(issuer.issue({ outputDigest: honest.outputDigest }, { response }));
    expect(code({ bundle: issuer.issue().bundle, privatePart: { ...privatePart, request: garbage } })).toBe(
      "request_digest_mismatch",
    );
    const { bytes } = responseBody();
    const text = new TextDecoder().decode(bytes);
    const extra = text.replace(
      '"outputs":[',
      '"outputs":[{"name":"more","datatype":"FP32","shape":[1],"data":[0]},',
    );
    expect(answered({ ...privatePart.response, bytes: new TextEncoder().encode(extra) })).toBe(
      "output_invalid",
    );
    expect(answered(responseBody([floats("logit", [-1.25])]))).toBe("output_invalid");
    const asked = requestBody();
    const some = new TextDecoder().decode(asked.bytes).replace(/}$/, ',"outputs":[{"name":"aux"}]}');
    const request = { ...asked, bytes: new TextEncoder().encode(some) };
    expect(code(issuer.issue({}, { request }))).toBe("output_invalid");
    expect(code(issuer.issue({}, { request, response: responseBody([floats("aux", [0.5, 2])]) }))).toBe("ok");
  });

  it("a promise that the policy does not make, a policy that this verifier does not know", () => {
    expect(code(issuer.issue({ promised: 1, promiseDeadlineMs: 5n }))).toBe("promised_mismatch");
    const policies: unknown[] = [
      { formatVersion: 1, assurance: "tee+zk" },
      { formatVersion: 2, assurance: "tee" },
      {},
    ];
    for (const policy of policies)
      expect(code(issuer.issue({}, { policy: jcs(policy as never) }))).toBe("policy_invalid");
  });

  it("documents that are signed and not canonical objects: refused, not thrown", () => {
    const texts = [
      "",
      "[]",
      "7",
      '{"a": 1}',
      '{"a":1e999}',
      '{"a":"\\ud800"}',
      '{"b":1,"a":2}',
      '{"a":'.repeat(50_000),
    ];
    texts.push(`{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}`.replace("}}", "}"));
    for (const text of texts) {
      expect(code(issuer.issue({}, { policy: text }))).toBe("policy_invalid");
      if (text.length < 1000) expect(code(issuer.issue({}, { execution: text }))).toBe("execution_invalid");
      const unread = issuer.issue({ modelId: sha256(utf8(text)) });
      expect(code({ ...unread, bundle: { ...unread.bundle, manifest: text } })).toBe("manifest_invalid");
    }
  });

  it("a time in the future, outside the stated time, after the keyset's end", async () => {
    expect(code(issuer.issue({ issuedAtMs: BigInt(NOW_MS + 4 * 60_000) }))).toBe("ok");
    expect(code(issuer.issue({ issuedAtMs: BigInt(NOW_MS + 6 * 60_000) }))).toBe("issued_in_future");
    expect(code(issuer.issue({ issuedAtMs: 2n ** 64n - 1n }))).toBe("issued_in_future");
    expect(code(issuer.issue({ issuedAtMs: BigInt(NOW_MS - 2 * HOUR_MS) }))).toBe("issued_outside_keyset");
    expect(code(issuer.issue({ issuedAtMs: 0n }))).toBe("issued_outside_keyset");
    const late = BigInt(NOW_MS + 25 * HOUR_MS);
    const now = new Date(NOW_MS + 48 * HOUR_MS);
    expect(code(issuer.issue({ issuedAtMs: late }), { now })).toBe("keyset_expired");
    // A receipt outlives its keyset: years later it is as good as on its day.
    expect(code(issuer.issue(), { now: new Date(NOW_MS + 20_000 * HOUR_MS) })).toBe("ok");
    const short = await createIssuer({ stated: { notAfterMs: BigInt(NOW_MS - 2000) } });
    expect(code(short.issue())).toBe("issued_outside_keyset");
  });

  it("another audience, only where one is expected; a settlement is shown as unchecked", () => {
    const audience = new Uint8Array(32).fill(3);
    const bound = issuer.issue({ audience, settlement: audience });
    expect(code(bound, { expect: { audience: new Uint8Array(32) } })).toBe("audience_mismatch");
    expect(code(issuer.issue(), { expect: { audience } })).toBe("audience_mismatch");
    const { claims } = verdict(bound.bundle);
    expect(claims).toContainEqual(expect.objectContaining({ claim: "audience", status: "unchecked" }));
    expect(claims).toContainEqual(expect.objectContaining({ claim: "settlement", status: "unchecked" }));
    expect(verdict(bound.bundle, { expect: { audience } }).claims).toContainEqual(
      expect.objectContaining({ claim: "audience", status: "verified" }),
    );
  });

  it("a high s, an unknown v, a signature of nothing", () => {
    const { bundle, privatePart } = issuer.issue();
    const resigned = (signature: Uint8Array) => {
      const words = encodeStatement("InferenceStatement", bundle.statement);
      const receipt = encodeReceiptHeader({ type: "InferenceStatement", words, signature });
      return code({ bundle: { ...bundle, signature, receipt }, privatePart });
    };
    const s = BigInt(`0x${Buffer.from(bundle.signature.subarray(32, 64)).toString("hex")}`);
    const high = (secp256k1.Point.Fn.ORDER - s).toString(16).padStart(64, "0");
    const flipped = Uint8Array.from([
      ...bundle.signature.subarray(0, 32),
      ...Buffer.from(high, "hex"),
      55 - bundle.signature[64]!,
    ]);
    expect(resigned(flipped)).toBe("signature_high_s");
    for (const v of [0, 1, 26, 29, 255]) {
      expect(resigned(Uint8Array.from([...bundle.signature.subarray(0, 64), v]))).toBe("signature_invalid");
    }
    expect(resigned(new Uint8Array(65))).toBe("signature_invalid");
  });
});

describe("a keyset is refused that", () => {
  it("is another than the statement's, or does not hold the signer", async () => {
    const older = await createIssuer({ notAfterSeconds: NOW_MS / 1000 + 10 });
    const receipt = issuer.issue();
    expect(code({ ...receipt, bundle: { ...receipt.bundle, ...older.record } })).toBe(
      "keyset_digest_mismatch",
    );
    const stranger = await createIssuer({ seed: 2 });
    const foreign = stranger.issue({ keysetDigest: issuer.digest });
    expect(code({ ...foreign, bundle: { ...foreign.bundle, ...issuer.record } })).toBe(
      "signer_not_in_keyset",
    );
  });

  it("has ended when the statement was issued", async () => {
    expect(await codeOfIssuer({ notAfterSeconds: NOW_MS / 1000 - 60 })).toBe("keyset_expired");
    const stated = { notAfterMs: BigInt(NOW_MS + HOUR_MS) };
    const ended = await createIssuer({ notAfterSeconds: NOW_MS / 1000 - 60, stated });
    expect(verifyKeyset(ended.record, { now: NOW, policy: SIMULATED }).code).toBe("keyset_expired");
  });

  it("was not logged, or in another log", async () => {
    expect(await codeOfIssuer({ unlogged: true })).toBe("keyset_not_logged");
    expect(await codeOfIssuer({ logSeed: 9 })).toBe("log_checkpoint_invalid");
    expect(await codeOfIssuer({ proofOrigin: "other.test/log" })).toBe("keyset_not_logged");
    const { record } = issuer;
    const wrongLeaf = { ...record, keysetLog: { ...record.keysetLog, leafIndex: 4n } };
    const receipt = issuer.issue();
    expect(code({ ...receipt, bundle: { ...receipt.bundle, ...wrongLeaf } })).toBe("keyset_not_logged");
  });

  it("was logged after the statement, or before its evidence was made", async () => {
    const made = issuer.issue({}, { included: true });
    const { inclusion } = made.bundle;
    const early = {
      ...made.bundle,
      keysetLog: { ...made.bundle.keysetLog, leafIndex: inclusion!.leafIndex },
    };
    expect(code({ ...made, bundle: early })).toBe("keyset_not_logged");
    expect(await codeOfIssuer({ attestedSize: 6 })).toBe("attested_checkpoint_mismatch");
    expect(await codeOfIssuer({ attestedSize: 0 })).toBe("ok");
  });

  it("was stated by another key, or for another keyset", async () => {
    const stranger = await createIssuer({ seed: 2 });
    const receipt = issuer.issue();
    const statement = issuer.record.keysetStatement.statement;
    const forged = { statement, signature: stranger.sign("Keyset", statement) };
    expect(code({ ...receipt, bundle: { ...receipt.bundle, keysetStatement: forged } })).toBe(
      "keyset_statement_signature_invalid",
    );
    expect(await codeOfIssuer({ stated: { keysetDigest: stranger.digest } })).toBe(
      "keyset_statement_mismatch",
    );
    expect(await codeOfIssuer({ stated: { evidenceDigest: new Uint8Array(32) } })).toBe(
      "evidence_digest_mismatch",
    );
    expect(await codeOfIssuer({ stated: { endorsementsDigest: new Uint8Array(32) } })).toBe(
      "endorsements_digest_mismatch",
    );
  });
});

describe("evidence is refused that", () => {
  it("is for another keyset, or over another log head", async () => {
    expect(await codeOfIssuer({ evidenceOver: { keysetDigest: new Uint8Array(32).fill(1) } })).toBe(
      "report_data_mismatch",
    );
    expect(await codeOfIssuer({ evidenceOver: { nonce: new Uint8Array(32).fill(1) } })).toBe(
      "report_data_mismatch",
    );
  });

  it("is simulated, under every policy that does not ask for it", async () => {
    const receipt = issuer.issue();
    const policies = [undefined, {}, { allowSimulated: false }, { allowUncheckedCode: true }] as const;
    for (const policy of policies) {
      const refused = verifyReceipt(receipt.bundle, { now: NOW, ...(policy ? { policy } : {}) });
      expect(refused).toMatchObject({
        verdict: "rejected",
        code: "simulated_refused",
        simulated: true,
        claims: [],
      });
    }
    const found = verdict(receipt.bundle);
    expect(found).toMatchObject({ verdict: "accepted", simulated: true });
    expect(found.claims.map(({ source }) => source)).not.toContain("hardware_proven");
    expect(found.claims).toContainEqual(
      expect.objectContaining({
        claim: "code identity",
        value: "unchecked",
        status: "unchecked",
        source: "simulated",
      }),
    );
  });

  it("has other measurements than those given, simulated or not", () => {
    const zero = "00".repeat(48);
    const appraisal: Appraisal = {
      formatVersion: 1,
      tdx: { measurements: [{ mrTd: zero, rtmr0: zero, rtmr1: zero, rtmr2: zero }] },
    };
    const { bundle } = issuer.issue();
    expect(verdict(bundle, { policy: { allowSimulated: true, appraisal } }).code).toBe(
      "measurement_mismatch",
    );
    const loose: Appraisal = { formatVersion: 1, roots: ["simulated"], codeIdentity: "reported" };
    expect(verdict(bundle, { policy: { appraisal: loose } }).code).toBe("ok");
    const strict: Appraisal = { formatVersion: 1, roots: ["simulated"] };
    expect(verdict(bundle, { policy: { appraisal: strict } }).code).toBe("code_identity_unchecked");
  });

  it("is fresh for another nonce or another keyset", async () => {
    const nonce = new Uint8Array(32).fill(4);
    const other = new Uint8Array(32).fill(5);
    const keyset = (evidence: Awaited<ReturnType<Issuer["quote"]>>) =>
      verifyKeyset(issuer.record, { now: NOW, policy: SIMULATED, fresh: { evidence, nonce } });
    const good = keyset(await issuer.quote(nonce));
    expect(good.code).toBe("ok");
    expect(good.claims).toContainEqual(
      expect.objectContaining({ claim: "fresh", status: "verified", source: "simulated" }),
    );
    expect(keyset(await issuer.quote(other)).code).toBe("fresh_nonce_mismatch");
    expect(keyset({ ...(await issuer.quote(other)), nonce }).code).toBe("report_data_mismatch");
    expect(keyset(await issuer.quote(nonce, other)).code).toBe("report_data_mismatch");
  });

  it("is of a keyset that starts a little later by the host's clock than by ours: accepted", async () => {
    for (const [startsInMs, wanted] of [
      [60_000, "ok"],
      [360_000, "issued_outside_keyset"],
    ] as const) {
      const { record } = await createIssuer({ stated: { notBeforeMs: BigInt(NOW_MS + startsInMs) } });
      expect(verifyKeyset(record, { now: NOW, policy: SIMULATED }).code).toBe(wanted);
    }
  });
});
