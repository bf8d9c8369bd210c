import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, toBase64, utf8 } from "../../codec/index.ts";
import { measurementBlock } from "../attest/spdm-write.ts";
import { appraise, parsePolicy, type AppraisalPolicyInput } from "../index.ts";
import { REQUEST_FIELDS, RESPONSE_FIELDS } from "../parse/nvidia-spdm.ts";
import { testCertificates } from "../testing/appraise.ts";
import { testCertificate, testKey, TEST_KEY_USAGE } from "../testing/certificates.ts";
import {
  diceTcbInfo,
  compositeDeviceId,
  listEntry,
  signReport,
  TEST_FWID,
  TEST_NVIDIA_NONCE,
  testDevice,
  testMeasurements,
  testOpaque,
  testReport,
  unsignedReport,
  type TestDevice,
} from "../testing/nvidia.ts";

const now = new Date("2026-11-23T00:00:00Z");
const device = testDevice();
const roots = [{ certificate: toBase64(device.certificates.at(-1)!) }];

function none(): Uint8Array {
  return new Uint8Array(0);
}

function wrongIdentity(spki: Uint8Array): Uint8Array {
  return compositeDeviceId(spki, new Uint8Array(48));
}

function wrongInfo(): Uint8Array {
  return diceTcbInfo(new Uint8Array(48).fill(1));
}

function info(): Uint8Array {
  return diceTcbInfo(TEST_FWID);
}

function list(...entries: object[]): Uint8Array {
  return utf8(JSON.stringify(entries));
}

function frame(record: Uint8Array, count: number, opaque = new Uint8Array(0)): Uint8Array {
  const head = unsignedReport().subarray(0, 41);
  const counts = Uint8Array.of(count, record.length & 255, record.length >> 8, 0);
  const nonce = new Uint8Array(32);
  return signReport(
    concat(head, counts, record, nonce, Uint8Array.of(opaque.length & 255, opaque.length >> 8), opaque),
  );
}

interface RunOptions {
  readonly device?: TestDevice;
  readonly endorsements?: unknown;
  readonly policy?: Partial<AppraisalPolicyInput>;
  readonly expectedNonce?: Uint8Array;
  readonly type?: "nvidia-gpu" | "nvidia-switch";
}

function run(quote: Uint8Array, options: RunOptions = {}) {
  const policy = parsePolicy({ formatVersion: 1, roots, codeIdentity: "reported", ...options.policy });
  const endorsements = options.endorsements ?? testCertificates(...(options.device ?? device).certificates);
  const { type = "nvidia-gpu", expectedNonce } = options;
  return appraise({ type, quote }, endorsements, { now, policy, expectedNonce });
}

test("a report is accepted: genuine, and fresh under the verifier's nonce", () => {
  const old = run(testReport());
  expect(old).toMatchObject({ verdict: "accepted", code: "ok", codeIdentity: "unchecked" });
  expect(old.claims).toMatchObject({
    source: "operator_asserted",
    statement: "GPU evidence genuine",
    measurements: "unchecked",
    submods: {
      gpu0: {
        hardwareModel: "GH100 A01 GSP BROM",
        ueid: "77",
        driverVersion: "550.90.07",
        vbiosVersion: "96.00.9f.00.01",
        confidentialMode: "SPT",
        chipSku: "882",
        project: "1010",
      },
    },
  });
  const fresh = run(testReport(), { expectedNonce: TEST_NVIDIA_NONCE });
  expect(fresh.claims["statement"]).toBe("GPU evidence fresh and genuine");
  expect(run(testReport(), { expectedNonce: new Uint8Array(32) }).code).toBe("nonce_mismatch");
  expect(run(testReport(), { expectedNonce: new Uint8Array(0) }).code).toBe("nonce_mismatch");
});

test("bytes behind the signature are reported and ignored, never taken for it", () => {
  const result = run(testReport({ trailing: new Uint8Array(200) }));
  expect(result.code).toBe("ok");
  const step = result.transcript.find((candidate) => candidate.step === "trailing");
  expect(step).toMatchObject({ status: "skipped", detail: expect.stringContaining("200 bytes") });
  const unsigned = unsignedReport();
  const signature = signReport(unsigned).subarray(-96);
  expect(run(concat(unsigned, new Uint8Array(10), signature)).code).toBe("spdm_signature_invalid");
});

describe("every field of the report counts", () => {
  const good = testReport();
  /** What a flipped lowest bit of the field's first byte makes of the report; all other fields are signed. */
  const EXPECTED: Record<string, string> = {
    requestVersion: "spdm_version_unsupported",
    requestCode: "spdm_malformed",
    requestAttributes: "spdm_malformed",
    measurementOperation: "spdm_malformed",
    requestNonce: "spdm_signature_invalid",
    slotId: "spdm_signature_invalid",
    responseVersion: "spdm_version_unsupported",
    responseCode: "spdm_malformed",
    responseParam1: "spdm_signature_invalid",
    responseSlot: "spdm_signature_invalid",
    numberOfBlocks: "spdm_malformed",
    measurementRecordLength: "spdm_malformed",
  };

  test.each([...REQUEST_FIELDS, ...RESPONSE_FIELDS])("$name", ({ name, offset }) => {
    const changed = good.slice();
    changed[offset]! ^= 1;
    expect(run(changed).code).toBe(EXPECTED[name]);
  });

  test("every byte from the nonce's on is signed or refused", () => {
    for (let at = 4; at < good.length; at += 7) {
      const changed = good.slice();
      changed[at]! ^= 0x10;
      expect(run(changed).verdict, `byte ${at}`).toBe("rejected");
    }
  });

  test("every cut is refused", () => {
    for (let length = 0; length < good.length; length += 13) {
      expect(run(good.subarray(0, length)).verdict).toBe("rejected");
    }
  });

  test.each([...testOpaque().keys()])("opaque field %i, changed after signing", (type) => {
    const changed = new Map(testOpaque());
    changed.set(
      type,
      changed.get(type)!.map((byte) => byte ^ 1),
    );
    const signature = testReport().subarray(-96);
    expect(run(concat(unsignedReport({ opaque: changed }), signature)).code).toBe("spdm_signature_invalid");
  });
});

test("exact lengths: blocks, record and opaque data end where they say", () => {
  const block = measurementBlock(1, new Uint8Array(48));
  expect(run(frame(block, 1)).code).toBe("ok");
  expect(run(frame(concat(block, block), 1)).code).toBe("spdm_malformed");
  expect(run(frame(concat(block, block), 2)).code).toBe("spdm_malformed");
  expect(run(frame(measurementBlock(0, new Uint8Array(48)), 1)).code).toBe("spdm_malformed");
  expect(run(frame(block, 1, Uint8Array.of(3, 0, 9, 0, 1))).code).toBe("spdm_opaque_malformed");
  expect(run(frame(block, 1, Uint8Array.of(3, 0, 0, 0, 3, 0, 0, 0))).code).toBe("spdm_opaque_malformed");
  expect(run(frame(block, 1, Uint8Array.of(3, 0, 0))).code).toBe("spdm_opaque_malformed");
});

describe("the device's chain", () => {
  const [leaf, brom, identity, root] = device.certificates as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const other = testDevice({ serial: 78 });

  test.each<[string, Uint8Array[], string]>([
    ["without the root", [leaf, brom, identity], "ok"],
    ["missing", [], "certificate_missing"],
    ["the root alone", [root], "certificate_ca_as_leaf"],
    ["without the leaf", [brom, identity, root], "certificate_ca_as_leaf"],
    ["without an authority", [leaf, identity, root], "certificate_issuer_mismatch"],
    ["in another order", [brom, leaf, identity, root], "certificate_ca_as_leaf"],
    ["of another device", [...other.certificates], "spdm_signature_invalid"],
    [
      "with another's authority",
      [leaf, other.certificates[1]!, other.certificates[2]!, root],
      "certificate_signature_invalid",
    ],
  ])("%s", (_, certificates, code) => {
    expect(run(testReport(), { endorsements: testCertificates(...certificates) }).code).toBe(code);
  });

  test("leads to NVIDIA's root, unless the policy brings another", () => {
    expect(run(testReport(), { policy: { roots: ["hardware"] } }).code).toBe("certificate_untrusted_root");
    expect(run(testReport(), { policy: { roots: ["simulated"] } }).code).toBe("certificate_untrusted_root");
  });

  test("its leaf may sign", () => {
    const wrong = testDevice({ leafUsage: 0x04 });
    expect(run(testReport({ device: wrong }), { device: wrong }).code).toBe("certificate_key_usage");
  });
});

describe("the firmware's identity", () => {
  test.each<[string, (spki: Uint8Array) => Uint8Array, string]>([
    ["a composite identity", compositeDeviceId, "ok"],
    ["the first of a TCB info", info, "ok"],
    ["another composite identity", wrongIdentity, "fwid_mismatch"],
    ["another in a TCB info", wrongInfo, "fwid_mismatch"],
    ["no identity", none, "fwid_missing"],
  ])("%s", (_, identityExtension, code) => {
    const other = testDevice({ identityExtension });
    expect(run(testReport({ device: other }), { device: other }).code).toBe(code);
  });

  test("a report that names none is accepted, unless the policy wants it", () => {
    const opaque = testOpaque();
    opaque.delete(20);
    const result = run(testReport({ opaque }));
    expect(result.code).toBe("ok");
    expect(result.transcript.find(({ step }) => step === "fwid")?.status).toBe("skipped");
    const policy = { nvidia: { firmwareIdentity: "required" as const } };
    expect(run(testReport({ opaque }), { policy }).code).toBe("fwid_missing");
    expect(run(testReport(), { policy }).code).toBe("ok");
  });
});

test("types and architectures are not mixed up", () => {
  const switchDevice = testDevice({ chip: "LS_10" });
  const report = testReport({ device: switchDevice });
  expect(run(report, { device: switchDevice, type: "nvidia-switch" }).code).toBe("ok");
  expect(run(report, { device: switchDevice }).code).toBe("evidence_type_mismatch");
  expect(run(testReport(), { type: "nvidia-switch" }).code).toBe("evidence_type_mismatch");
});

describe("the SDK's list", () => {
  const second = testDevice({ serial: 78 });
  const third = testDevice({ chip: "GB100", identityExtension: info });
  const one = listEntry(testReport(), device);
  const two = listEntry(testReport({ device: second }), second);

  test("several devices, all of them good", () => {
    const three = listEntry(testReport({ device: third }), third, TEST_NVIDIA_NONCE, "BLACKWELL");
    const result = run(list(one, two, three), { endorsements: null, expectedNonce: TEST_NVIDIA_NONCE });
    expect(result.code).toBe("ok");
    expect(Object.keys(result.claims["submods"] as object)).toEqual(["gpu0", "gpu1", "gpu2"]);
    expect(result.transcript.map(({ step }) => step)).toContain("gpu2.report_signature");
    const wrapped = utf8(JSON.stringify({ evidence_list: [one] }));
    expect(run(wrapped, { endorsements: null }).code).toBe("ok");
  });

  test("one bad one rejects all", () => {
    const bad = testReport({ device: second });
    bad[200]! ^= 1;
    const result = run(list(one, listEntry(bad, second)), { endorsements: null });
    expect(result).toMatchObject({ verdict: "rejected", code: "spdm_signature_invalid", claims: {} });
  });

  test("one device twice is refused", () => {
    expect(run(list(one, one), { endorsements: null }).code).toBe("evidence_duplicate");
    const again = listEntry(testReport({ nonce: new Uint8Array(32) }), device, new Uint8Array(32));
    expect(run(list(one, again), { endorsements: null }).code).toBe("evidence_duplicate");
  });

  test("one device twice is refused, also under leaves for two firmwares", () => {
    const leaf = testKey("GH100 A01 GSP FMC LF", "p384");
    const der = testCertificate({
      subject: leaf,
      issuer: device.brom,
      serial: 79,
      keyUsage: TEST_KEY_USAGE.signer,
      extensions: [compositeDeviceId(leaf.spki)],
    });
    const renewed = { ...device, leaf, certificates: [der, ...device.certificates.slice(1)] };
    const again = listEntry(testReport({ device: renewed }), renewed);
    expect(run(list(again), { endorsements: null }).code).toBe("ok");
    expect(run(list(one, again), { endorsements: null })).toMatchObject({
      code: "evidence_duplicate",
      claims: {},
    });
  });

  test.each([
    ["an empty list", []],
    ["no list", {}],
    ["no object", [7]],
    ["no certificate", [{ ...one, certificate: undefined }]],
    ["a certificate that is none", [{ ...one, certificate: "****" }]],
    ["no report", [{ ...one, evidence: 7 }]],
    ["a short nonce", [{ ...one, nonce: "00" }]],
    ["an arch that is none", [{ ...one, arch: 7 }]],
    ["too many", Array.from({ length: 65 }, () => one)],
  ])("%s is malformed", (_, value) => {
    expect(run(utf8(JSON.stringify(value)), { endorsements: null }).code).toBe("evidence_list_malformed");
  });

  test("what it says of a device must be so", () => {
    expect(run(list({ ...one, nonce: "00".repeat(32) }), { endorsements: null }).code).toBe("nonce_mismatch");
    expect(run(list({ ...one, arch: "BLACKWELL" }), { endorsements: null }).code).toBe(
      "evidence_type_mismatch",
    );
    expect(run(list({ ...one, arch: "FUTURE" }), { endorsements: null }).code).toBe("evidence_type_mismatch");
  });
});

test.each([
  ["driverVersions", ["550.90.07"], ["535.1"], "driver_version_refused"],
  ["vbiosVersions", ["96.00.9f.00.01"], ["96.00.9f.00.02"], "vbios_version_refused"],
  ["confidentialModes", ["SPT"], ["PPCIE"], "confidential_mode_refused"],
])("the policy's %s", (name, accepts, refuses, code) => {
  expect(run(testReport(), { policy: { nvidia: { [name]: accepts } } }).code).toBe("ok");
  expect(run(testReport(), { policy: { nvidia: { [name]: refuses } } }).code).toBe(code);
});

test.each<[Uint8Array | undefined, number, string]>([
  [Uint8Array.of(0, 0), 0x55, "SPT"],
  [Uint8Array.of(1, 0), 0x55, "MPT"],
  [Uint8Array.of(2, 0), 0x55, "PPCIE"],
  [Uint8Array.of(9, 0), 0x55, "unknown"],
  [undefined, 0xaa, "PPCIE"],
  [undefined, 0x55, "SPT"],
])("feature flag %o and bus status %i mean %s", (flag, status, mode) => {
  const opaque = testOpaque().set(21, Uint8Array.of(status));
  if (flag !== undefined) opaque.set(36, flag);
  expect(run(testReport({ opaque })).claims["submods"]).toMatchObject({ gpu0: { confidentialMode: mode } });
});

test.each([7, [], { certificates: "x" }, { certificates: [7] }, { rims: {} }, { ocspResponses: ["*"] }])(
  "endorsements %o are malformed",
  (endorsements) => {
    expect(run(testReport(), { endorsements }).code).toBe("endorsements_malformed");
  },
);

test("changed evidence is rejected by code, or says the same", () => {
  const second = testDevice({ serial: 78 });
  const entries = [listEntry(testReport(), device), listEntry(testReport({ device: second }), second)];
  const seeds = [testReport({ measurements: testMeasurements(3) }), utf8(JSON.stringify(entries))];
  const claims = seeds.map((seed) => run(seed).claims);
  const edit = fc.record({
    seed: fc.nat({ max: 1 }),
    at: fc.nat(),
    bytes: fc.uint8Array({ maxLength: 6 }),
    cut: fc.nat({ max: 6 }),
  });
  fc.assert(
    fc.property(edit, ({ seed, at, bytes, cut }) => {
      const evidence = seeds[seed]!;
      const start = at % evidence.length;
      const result = run(concat(evidence.subarray(0, start), bytes, evidence.subarray(start + cut)));
      expect(result.code).toMatch(/^[a-z0-9_]+$/);
      if (result.code === "ok") expect(result.claims).toEqual(claims[seed]);
    }),
    { numRuns: 1000 },
  );
});
