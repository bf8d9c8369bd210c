import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ed25519 } from "@noble/curves/ed25519.js";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  concat,
  decodeCbor,
  encodeCbor,
  equal,
  fromHex,
  sha512,
  toHex,
  type CborMap,
  type CborValue,
} from "../../codec/index.ts";
import { buildAirReceipt } from "./air-build.ts";
import { AIR_CLAIMS, encodeAirClaims, type AirClaims } from "./air-claims.ts";
import { verifyAirReceipt, type AirPolicy } from "./air-verify.ts";
import { encodeCoseSign1, parseCoseSign1, sigStructure } from "./cose.ts";

const SEED = new Uint8Array(32).fill(0x2a);
const PUBLIC_KEY = ed25519.getPublicKey(SEED);
const NOW = new Date(1_740_500_200_000);
const sign = (message: Uint8Array): Uint8Array => ed25519.sign(message, SEED);
const register = (byte: number): Uint8Array => new Uint8Array(48).fill(byte);

const CLAIMS: AirClaims = {
  iss: "issuer.example",
  iat: 1_740_500_100n,
  cti: new Uint8Array(16).fill(9),
  eatNonce: fromHex("deadbeefcafebabe"),
  modelId: "a-model",
  modelVersion: "1",
  modelHash: new Uint8Array(32).fill(1),
  requestHash: new Uint8Array(32).fill(2),
  responseHash: new Uint8Array(32).fill(3),
  attestationDocHash: new Uint8Array(32).fill(4),
  measurements: {
    measurementType: "tdx-mrtd-rtmr",
    pcr0: register(1),
    pcr1: register(2),
    pcr2: register(3),
    pcr3: register(4),
    pcr4: register(5),
  },
  policyVersion: "policy",
  sequenceNumber: 7n,
  executionTimeMs: 12n,
  memoryPeakMb: 0n,
  securityMode: "production",
  modelHashScheme: "sha256-manifest",
};

function codeOf(receipt: Uint8Array, policy: Partial<AirPolicy> = {}, key: Uint8Array = PUBLIC_KEY): string {
  return verifyAirReceipt(receipt, key, { now: NOW, ...policy }).code;
}

/** A signed receipt over any bytes. */
function sealed(
  payload: Uint8Array | null,
  {
    header = new Map<number, CborValue>([
      [1, -8],
      [3, 61],
    ]) as CborValue,
    raw = encodeCbor(header),
    unprotected = new Map() as CborMap,
  } = {},
): Uint8Array {
  const signature = sign(sigStructure(raw, payload ?? new Uint8Array(0)));
  return encodeCoseSign1({ protectedHeader: raw, unprotected, payload, signature });
}

function withMap(change: (map: CborMap) => void, claims = CLAIMS): Uint8Array {
  const map = decodeCbor(encodeAirClaims(claims)) as CborMap;
  change(map);
  return sealed(encodeCbor(map));
}

const little = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, "0")).toReversed();
const keyOf = (name: string): number => AIR_CLAIMS.find((claim) => claim.name === name)!.key;
const withClaim = (name: string, value: CborValue): Uint8Array =>
  withMap((map) => map.set(keyOf(name), value));
const withMeasurement = (change: (map: CborMap) => void): Uint8Array =>
  withMap((map) => change(map.get(keyOf("enclave_measurements")) as CborMap));

const VECTORS = `${process.env["AFFIDAVIT_VECTORS"] ?? fileURLToPath(new URL("../../../shared/vectors", import.meta.url))}/air`;

interface AirVector {
  receipt_hex: string;
  payload_hex?: string;
  public_key_hex?: string;
  wrong_public_key_hex?: string;
  signing_key_seed_hex?: string;
  claims?: { eat_nonce_hex?: string };
  expected_failure?: { layer: number; code: string };
  verify_policy?: {
    expected_nonce_hex?: string;
    expected_model_hash_hex?: string;
    expected_platform?: string;
    max_age_secs?: number;
  };
}

function vectors(folder: string): [string, AirVector][] {
  if (!existsSync(`${VECTORS}/${folder}`)) return [];
  const names = readdirSync(`${VECTORS}/${folder}`).filter((name) => name.endsWith(".json"));
  return names.map((name) => [
    name,
    JSON.parse(readFileSync(`${VECTORS}/${folder}/${name}`, "utf8")) as AirVector,
  ]);
}

describe.skipIf(vectors("valid").length === 0)(
  "published vectors (skipped where the folder of vectors is absent)",
  () => {
    it.each(vectors("valid"))("%s is accepted, and built again byte for byte from its seed", (_, vector) => {
      const receipt = fromHex(vector.receipt_hex);
      const nonce = vector.claims?.eat_nonce_hex;
      const policy = { now: new Date(), ...(nonce && { nonce: fromHex(nonce) }) };
      const found = verifyAirReceipt(receipt, fromHex(vector.public_key_hex!), policy);
      expect(found).toMatchObject({ verdict: "accepted", code: "ok", assurance: "air_local" });
      expect(toHex(encodeAirClaims(found.claims!))).toBe(vector.payload_hex);
      const seed = fromHex(vector.signing_key_seed_hex!);
      expect(toHex(buildAirReceipt(found.claims!, (message) => ed25519.sign(message, seed)))).toBe(
        vector.receipt_hex,
      );
    });

    it.each(vectors("invalid"))("%s is refused by its code", (_, vector) => {
      const { expected_nonce_hex, expected_model_hash_hex, expected_platform, max_age_secs } =
        vector.verify_policy ?? {};
      const key = fromHex(vector.wrong_public_key_hex ?? vector.public_key_hex!);
      const found = verifyAirReceipt(fromHex(vector.receipt_hex), key, {
        now: new Date(),
        nonce: expected_nonce_hex === undefined ? undefined : fromHex(expected_nonce_hex),
        modelHash: expected_model_hash_hex === undefined ? undefined : fromHex(expected_model_hash_hex),
        platform: expected_platform as AirPolicy["platform"],
        maxAgeSeconds: max_age_secs,
      });
      expect(found).toMatchObject({
        verdict: "rejected",
        ...(vector.expected_failure && {
          code: vector.expected_failure.code,
          layer: vector.expected_failure.layer,
        }),
      });
    });
  },
);

describe("a receipt of our own", () => {
  it("is accepted and gives its claims", () => {
    const found = verifyAirReceipt(buildAirReceipt(CLAIMS, sign), PUBLIC_KEY, { now: NOW });
    expect(found).toMatchObject({ verdict: "accepted", code: "ok", layer: null, claims: CLAIMS });
  });

  it("holds no claims out before its signature has been verified", () => {
    const receipt = buildAirReceipt(CLAIMS, sign);
    receipt[receipt.length - 1]! ^= 1;
    expect(verifyAirReceipt(receipt, PUBLIC_KEY, { now: NOW }).claims).toBeUndefined();
  });

  it("is refused with any bit changed", () => {
    const receipt = buildAirReceipt(CLAIMS, sign);
    fc.assert(
      fc.property(fc.nat(receipt.length - 1), fc.nat(7), (at, bit) => {
        const changed = receipt.slice();
        changed[at]! ^= 1 << bit;
        expect(codeOf(changed)).not.toBe("ok");
      }),
      { numRuns: 60 },
    );
  });
});

describe("layer 1: structure", () => {
  const good = buildAirReceipt(CLAIMS, sign);
  const payload = encodeAirClaims(CLAIMS);
  const header = (...entries: [number, CborValue][]) => sealed(payload, { header: new Map(entries) });
  it.each<[string, Uint8Array, string]>([
    ["nothing", new Uint8Array(0), "COSE_DECODE_FAILED"],
    ["no CBOR", Uint8Array.of(0xff, 0xff), "COSE_DECODE_FAILED"],
    ["untagged", good.subarray(1), "COSE_DECODE_FAILED"],
    ["another tag", concat(Uint8Array.of(0xd1), good.subarray(1)), "COSE_DECODE_FAILED"],
    ["cut short", good.subarray(0, 100), "COSE_DECODE_FAILED"],
    ["bytes after it", concat(good, Uint8Array.of(0)), "COSE_DECODE_FAILED"],
    ["an array of three", fromHex("d28340a040"), "COSE_DECODE_FAILED"],
    ["a protected header that is no byte string", fromHex("d284a0a04040"), "COSE_DECODE_FAILED"],
    ["too large", concat(good, new Uint8Array(65_536)), "RECEIPT_TOO_LARGE"],
    ["a protected header that is no map", sealed(payload, { header: [1] }), "COSE_DECODE_FAILED"],
    ["alg twice", sealed(payload, { raw: fromHex("a30126012703183d") }), "COSE_DECODE_FAILED"],
    [
      "bytes after the protected header",
      sealed(payload, { raw: fromHex("a2012703183d00") }),
      "COSE_DECODE_FAILED",
    ],
    ["an empty protected header", sealed(payload, { raw: new Uint8Array(0) }), "BAD_ALG"],
    ["ES256", header([1, -7], [3, 61]), "BAD_ALG"],
    ["no alg", header([3, 61]), "BAD_ALG"],
    ["alg as text", header([1, "EdDSA"], [3, 61]), "BAD_ALG"],
    ["no content type", header([1, -8]), "BAD_CONTENT_TYPE"],
    ["another content type", header([1, -8], [3, 60]), "BAD_CONTENT_TYPE"],
    [
      "a further protected parameter",
      header([1, -8], [3, 61], [4, Uint8Array.of(1)]),
      "PROTECTED_HEADER_NOT_CLOSED",
    ],
    [
      "a protected header out of order",
      sealed(payload, { raw: fromHex("a203183d0127") }),
      "NON_DETERMINISTIC_CBOR",
    ],
    [
      "a key id unprotected",
      sealed(payload, { unprotected: new Map([[4, Uint8Array.of(1)]]) }),
      "NON_EMPTY_UNPROTECTED",
    ],
    ["a detached payload", sealed(null), "MISSING_PAYLOAD"],
    ["an empty payload", sealed(new Uint8Array(0)), "MISSING_PAYLOAD"],
  ])("%s", (_, receipt, code) => {
    expect(verifyAirReceipt(receipt, PUBLIC_KEY, { now: NOW })).toMatchObject({
      verdict: "rejected",
      layer: 1,
      code,
    });
  });

  it("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(codeOf(bytes)).toBe("COSE_DECODE_FAILED");
      }),
    );
  });
});

describe("layer 2: signature", () => {
  const resigned = (signature: Uint8Array): Uint8Array => {
    const parts = parseCoseSign1(buildAirReceipt(CLAIMS, sign), {
      maxBytes: 65_536,
      maxDepth: 4,
      maxItems: 64,
    })!;
    return encodeCoseSign1({ ...parts, signature });
  };
  const original = parseCoseSign1(buildAirReceipt(CLAIMS, sign), {
    maxBytes: 65_536,
    maxDepth: 4,
    maxItems: 64,
  })!.signature;
  const { ORDER } = ed25519.Point.Fn;
  const s = BigInt(`0x${toHex(original.slice(32).toReversed())}`);
  const torsion = ed25519.Point.fromBytes(fromHex(`ec${"ff".repeat(30)}7f`), true);
  const r = ed25519.Point.fromBytes(original.slice(0, 32));

  it.each<[string, Uint8Array, string]>([
    ["63 bytes", original.slice(0, 63), "BAD_SIG_LENGTH"],
    ["65 bytes", concat(original, Uint8Array.of(0)), "BAD_SIG_LENGTH"],
    ["zeros", new Uint8Array(64), "SIG_FAILED"],
    ["S not reduced", concat(original.slice(0, 32), little(s + ORDER)), "SIG_FAILED"],
    ["R of small order", concat(torsion.toBytes(), original.slice(32)), "SIG_FAILED"],
    ["R with a torsion component", concat(r.add(torsion).toBytes(), original.slice(32)), "SIG_FAILED"],
    ["R that is no point", concat(new Uint8Array(32).fill(2), original.slice(32)), "SIG_FAILED"],
  ])("%s", (_, signature, code) => {
    expect(verifyAirReceipt(resigned(signature), PUBLIC_KEY, { now: NOW })).toMatchObject({ layer: 2, code });
  });

  it("refuses what satisfies the cofactored equation alone", () => {
    // A key holder can make one: R' = R + T with T of order 2, and S for the k that R' gives.
    const parts = parseCoseSign1(buildAirReceipt(CLAIMS, sign), {
      maxBytes: 65_536,
      maxDepth: 4,
      maxItems: 64,
    })!;
    const message = sigStructure(parts.protectedHeader, parts.payload!);
    const { scalar } = ed25519.utils.getExtendedPublicKey(SEED);
    const nonce = 12_345n;
    const encodedR = ed25519.Point.BASE.multiply(nonce).add(torsion).toBytes();
    const k = BigInt(`0x${toHex(sha512(concat(encodedR, PUBLIC_KEY, message)).toReversed())}`) % ORDER;
    const signature = concat(encodedR, little((nonce + k * scalar) % ORDER));
    expect(ed25519.verify(signature, message, PUBLIC_KEY)).toBe(true);
    expect(codeOf(resigned(signature))).toBe("SIG_FAILED");
  });

  it("refuses another key, a key of small order and a key that is no point", () => {
    const keys = [
      ed25519.getPublicKey(new Uint8Array(32).fill(1)),
      torsion.toBytes(),
      new Uint8Array(32).fill(2),
      new Uint8Array(31),
    ];
    for (const key of keys) expect(codeOf(buildAirReceipt(CLAIMS, sign), {}, key)).toBe("SIG_FAILED");
  });
});

describe("layer 3: claims", () => {
  const OTHER: Record<string, CborValue> = { text: 1, uint: "1", bytes: "00", measurements: [] };
  it.each(AIR_CLAIMS.map((claim) => [claim.name, claim] as const))(
    "%s missing, or of another type",
    (name, claim) => {
      const missing = codeOf(withMap((map) => map.delete(claim.key)));
      expect(missing).toBe("optional" in claim ? "ok" : `MISSING_CLAIM:${name}`);
      expect(codeOf(withClaim(name, OTHER[claim.type]!))).toBe(`WRONG_TYPE:${name}`);
      expect(codeOf(withClaim(name, null))).toBe(`WRONG_TYPE:${name}`);
      if (claim.type === "uint") expect(codeOf(withClaim(name, -1))).toBe(`WRONG_TYPE:${name}`);
    },
  );

  it.each(["iss", "model_id", "model_version", "policy_version"])("%s empty or too long", (name) => {
    expect(codeOf(withClaim(name, ""))).toBe(`EMPTY_TEXT:${name}`);
    expect(codeOf(withClaim(name, "é".repeat(513)))).toBe(`TEXT_TOO_LONG:${name}`);
    expect(codeOf(withClaim(name, "é".repeat(512)))).toBe("ok");
  });

  it.each(["model_hash", "request_hash", "response_hash", "attestation_doc_hash"])(
    "%s of another length",
    (name) => {
      for (const length of [0, 31, 33])
        expect(codeOf(withClaim(name, new Uint8Array(length).fill(1)))).toBe(`BAD_HASH_LENGTH:${name}`);
    },
  );

  it.each<[string, Uint8Array, string]>([
    ["another profile", withClaim("eat_profile", "https://spec.cyntrisec.com/air/v2"), "WRONG_PROFILE"],
    ["cti of 15 bytes", withClaim("cti", new Uint8Array(15)), "BAD_CTI_LENGTH"],
    ["cti of 36 bytes", withClaim("cti", new Uint8Array(36)), "BAD_CTI_LENGTH"],
    ["iat 0", withClaim("iat", 0), "IAT_ZERO"],
    ["model_hash zero", withClaim("model_hash", new Uint8Array(32)), "ZERO_MODEL_HASH"],
    ["nonce of 7 bytes", withClaim("eat_nonce", new Uint8Array(7)), "BAD_NONCE_LENGTH"],
    ["nonce of 65 bytes", withClaim("eat_nonce", new Uint8Array(65)), "BAD_NONCE_LENGTH"],
    ["an unknown scheme", withClaim("model_hash_scheme", "sha256-custom"), "UNKNOWN_MODEL_HASH_SCHEME"],
    ["an unknown mode", withClaim("security_mode", "debug"), "UNKNOWN_SECURITY_MODE"],
    ["an unknown claim", withMap((map) => map.set(-65550, 1)), "UNKNOWN_CLAIM_KEY"],
    ["a claim by text", withMap((map) => map.set("iss", "x")), "UNKNOWN_CLAIM_KEY"],
    ["no measurement type", withMeasurement((map) => map.delete("measurement_type")), "UNKNOWN_MTYPE"],
    [
      "an unknown measurement type",
      withMeasurement((map) => map.set("measurement_type", "sev-snp")),
      "UNKNOWN_MTYPE",
    ],
    ["pcr8 on TDX", withMeasurement((map) => map.set("pcr8", register(8))), "TDX_PCR8_FORBIDDEN"],
    [
      "an unknown register",
      withMeasurement((map) => map.set("pcr5", register(8))),
      "UNKNOWN_MEASUREMENT_KEY",
    ],
    ["a payload that is no map", sealed(encodeCbor([1])), "PAYLOAD_NOT_MAP"],
    ["bytes after the payload", sealed(concat(encodeAirClaims(CLAIMS), Uint8Array.of(0))), "PAYLOAD_NOT_MAP"],
    [
      "a claim twice",
      sealed(concat(Uint8Array.of(0xb3), encodeAirClaims(CLAIMS).slice(1), fromHex("0100"))),
      "PAYLOAD_NOT_MAP",
    ],
    [
      "a float",
      sealed(concat(Uint8Array.of(0xb3), encodeAirClaims(CLAIMS).slice(1), fromHex("f93c0000"))),
      "PAYLOAD_NOT_MAP",
    ],
    ["claims out of order", sealed(swapped(encodeAirClaims(CLAIMS))), "NON_DETERMINISTIC_CBOR"],
  ])("%s", (_, receipt, code) => {
    expect(verifyAirReceipt(receipt, PUBLIC_KEY, { now: NOW })).toMatchObject({
      layer: 3,
      code,
      claims: undefined,
    });
  });

  it.each(["pcr0", "pcr1", "pcr2", "pcr3", "pcr4"])("%s of another length", (slot) => {
    for (const value of [new Uint8Array(32), new Uint8Array(49), "x", null]) {
      expect(codeOf(withMeasurement((map) => map.set(slot, value)))).toBe("BAD_MEASUREMENT_LENGTH");
    }
    const optional = slot === "pcr3" || slot === "pcr4";
    expect(codeOf(withMeasurement((map) => map.delete(slot)))).toBe(
      optional ? "ok" : "BAD_MEASUREMENT_LENGTH",
    );
  });
});

describe("layer 4: policy", () => {
  const receipt = buildAirReceipt(CLAIMS, sign);
  const other = new Uint8Array(32).fill(0xff);
  it.each<[string, Partial<AirPolicy>, string]>([
    ["model hash", { modelHash: other }, "MODEL_HASH_MISMATCH"],
    ["model id", { modelId: "another" }, "MODEL_ID_MISMATCH"],
    ["request hash", { requestHash: other }, "REQUEST_HASH_MISMATCH"],
    ["response hash", { responseHash: other }, "RESPONSE_HASH_MISMATCH"],
    ["attestation document", { attestationDocHash: other }, "ATTESTATION_DOC_HASH_MISMATCH"],
    ["platform", { platform: "nitro-pcr" }, "PLATFORM_MISMATCH"],
    ["nonce", { nonce: new Uint8Array(8) }, "NONCE_MISMATCH"],
    ["a longer nonce", { nonce: fromHex("deadbeefcafebabe00") }, "NONCE_MISMATCH"],
    ["age", { maxAgeSeconds: 99 }, "TIMESTAMP_STALE"],
    ["the future", { now: new Date(1_740_500_039_000) }, "TIMESTAMP_FUTURE"],
    ["seen before", { isReplayed: (cti) => equal(cti, CLAIMS.cti) }, "REPLAY_CTI"],
  ])("%s", (_, policy, code) => {
    const found = verifyAirReceipt(receipt, PUBLIC_KEY, { now: NOW, ...policy });
    expect(found).toMatchObject({ layer: 4, code });
    expect(found.claims).toEqual(CLAIMS);
  });

  it("accepts what fits exactly", () => {
    const { modelHash, requestHash, responseHash, attestationDocHash, modelId, eatNonce: nonce } = CLAIMS;
    const hashes = { modelHash, requestHash, responseHash, attestationDocHash, modelId, nonce };
    expect(
      codeOf(receipt, { ...hashes, platform: "tdx-mrtd-rtmr", maxAgeSeconds: 100, isReplayed: () => false }),
    ).toBe("ok");
    expect(codeOf(receipt, { now: new Date(1_740_500_040_000) })).toBe("ok");
    expect(codeOf(receipt, { now: "document", maxAgeSeconds: 0 })).toBe("ok");
  });

  it("asks for a nonce that is not there, and refuses evaluations unless told otherwise", () => {
    const { eatNonce: _, ...rest } = CLAIMS;
    expect(codeOf(buildAirReceipt(rest, sign), { nonce: new Uint8Array(8) })).toBe("NONCE_MISSING");
    const evaluation = buildAirReceipt({ ...CLAIMS, securityMode: "evaluation" }, sign);
    expect(codeOf(evaluation)).toBe("EVALUATION_MODE_REJECTED");
    expect(codeOf(evaluation, { allowEvaluation: true })).toBe("ok");
  });
});

/** iat before iss: the first two entries the other way round. */
function swapped(payload: Uint8Array): Uint8Array {
  const iss = 2 + CLAIMS.iss.length;
  const entry = payload.slice(1, 1 + iss);
  return concat(payload.slice(0, 1), payload.slice(1 + iss, 7 + iss), entry, payload.slice(7 + iss));
}
