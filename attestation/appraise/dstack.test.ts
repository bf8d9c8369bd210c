import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, sha256, sha512, toBase64, toHex, utf8 } from "../../codec/index.ts";
import {
  appraise,
  CollateralCache,
  parsePolicy,
  REPORTING_POLICY,
  type AppraisalPolicyInput,
} from "../index.ts";
import { dstackEvent, type MeasuredEvent } from "../parse/event-log.ts";
import { rootCertificate, testCollateral, testPki, testQuote, TEST_NOW } from "../testing/dcap.ts";
import {
  encodeMsgpack,
  namedAttestation,
  quoteResponse,
  scaleAttestation,
  testDstack,
  TEST_COMPOSE_HASH,
} from "../testing/dstack.ts";
import {
  jsonEvents,
  registersOf,
  TEST_BOOT_EVENTS,
  TEST_COMPOSE,
  testRuntimeEvents,
} from "../testing/event-log.ts";
import { VECTORS_FOLDER } from "../testing/vectors.ts";

const roots = [{ certificate: toBase64(rootCertificate(testPki())) }];

const collateral = testCollateral("tdx4");
const cache = new CollateralCache();

function run(quote: Uint8Array, changes: Partial<AppraisalPolicyInput> = {}) {
  const policy = parsePolicy({ formatVersion: 1, roots, codeIdentity: "reported", ...changes });
  return appraise({ type: "dstack", quote }, collateral, { now: TEST_NOW, policy, cache });
}

const good = testDstack();
const composeHash = toHex(TEST_COMPOSE_HASH);

test.each([
  ["the answer with the quote", quoteResponse(good)],
  ["the same, its log a list", quoteResponse(good, { event_log: jsonEvents(good.events) })],
  [
    "the same, its log in hex",
    quoteResponse(good, { event_log: toHex(utf8(JSON.stringify(jsonEvents(good.events)))) }),
  ],
  ["version 0", scaleAttestation(good)],
  ["version 1", namedAttestation(good)],
  ["an answer with version 0", utf8(JSON.stringify({ attestation: toHex(scaleAttestation(good)) }))],
  [
    "an answer with version 1",
    utf8(JSON.stringify({ attestation: toHex(namedAttestation(good)), quote: "" })),
  ],
])("%s is accepted", (_, evidence) => {
  const result = run(evidence);
  expect(result.code).toBe("ok");
  expect(result.claims["dstack"]).toEqual({
    platform: "tdx",
    appId: composeHash.slice(0, 40),
    composeHash,
    instanceId: "07".repeat(20),
    osImageHash: "08".repeat(32),
    keyProvider: '{"name":"kms","id":"00"}',
    runtimeEvents: 9,
    configuredOsImageHash: "08".repeat(32),
    configuredOsImageHashSource: "operator_asserted",
  });
});

test("a log without the boot leaves RTMR0 to RTMR2 unchecked, and says so", () => {
  const result = run(quoteResponse({ ...good, events: good.runtimeEvents }));
  expect(result.code).toBe("ok");
  expect(result.transcript.find(({ step }) => step === "event_log_boot")?.status).toBe("skipped");
});

test("runtime events come with or without digests, of either version", () => {
  const bare = jsonEvents(good.events).map((event) => (event.imr === 3 ? { ...event, digest: "" } : event));
  expect(run(quoteResponse(good, { event_log: bare })).code).toBe("ok");
  const canonical = testRuntimeEvents(TEST_COMPOSE_HASH).map(({ name, data }) =>
    dstackEvent(name, data, { version: 2 }),
  );
  expect(run(quoteResponse(testDstack(canonical))).code).toBe("ok");
  const versioned = jsonEvents(canonical).map((event) => ({ ...event, digest: "", version: 2 }));
  expect(run(quoteResponse(testDstack(canonical), { event_log: versioned })).code).toBe("ok");
});

describe("every field of the answer", () => {
  const other = testDstack(testRuntimeEvents(sha256(utf8("another app"))));
  test.each([
    ["quote", { quote: toHex(other.quote) }, "event_log_replay_mismatch"],
    ["quote", { quote: "00" }, "quote_truncated"],
    ["quote", { quote: "zz" }, "dstack_malformed"],
    ["quote", { quote: undefined }, "dstack_malformed"],
    ["quote", { quote: toHex(testQuote("sgx3")) }, "evidence_type_mismatch"],
    ["event_log", { event_log: jsonEvents(other.events) }, "event_log_replay_mismatch"],
    ["event_log", { event_log: [] }, "event_log_replay_mismatch"],
    ["event_log", { event_log: undefined }, "event_log_malformed"],
    ["event_log", { event_log: "[" }, "dstack_malformed"],
    ["report_data", { report_data: "d0" }, "dstack_report_data_mismatch"],
    ["report_data", { report_data: "00".repeat(65) }, "dstack_malformed"],
    ["report_data", { report_data: undefined }, "ok"],
    ["vm_config", { vm_config: "{" }, "dstack_malformed"],
    ["vm_config", { vm_config: 7 }, "dstack_malformed"],
    ["vm_config", { vm_config: "" }, "ok"],
    ["app_compose", { app_compose: TEST_COMPOSE }, "ok"],
    ["app_compose", { app_compose: `${TEST_COMPOSE} ` }, "dstack_compose_mismatch"],
    ["app_compose", { app_compose: 7 }, "dstack_malformed"],
  ])("%s: %o gives %s", (_, changes, code) => {
    expect(run(quoteResponse(good, changes)).code).toBe(code);
  });

  test.each(good.runtimeEvents.map(({ name }, at): [number, string] => [at, name]))(
    "runtime event %i, %s: payload, name, digest, place",
    (at) => {
      const { events } = good;
      const place = TEST_BOOT_EVENTS.length + at;
      const withEvent = (change: object) =>
        run(
          quoteResponse(good, {
            event_log: jsonEvents(events).with(place, { ...jsonEvents(events)[place]!, ...change }),
          }),
        );
      expect(withEvent({ event_payload: "ff" }).code).toBe("event_log_payload_mismatch");
      expect(withEvent({ event_payload: "ff", digest: "" }).code).toBe("event_log_replay_mismatch");
      expect(withEvent({ event: "other" }).code).toBe("event_log_payload_mismatch");
      expect(withEvent({ digest: "00".repeat(48) }).code).toBe("event_log_payload_mismatch");
      expect(withEvent({ imr: 2 }).code).toBe("event_log_malformed");
      expect(run(quoteResponse({ ...good, events: events.filter((_, i) => i !== place) })).code).toBe(
        "event_log_replay_mismatch",
      );
    },
  );
});

function configId(hash: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(1), hash, new Uint8Array(15));
}

function codeOf(events: readonly MeasuredEvent[], body: Record<string, Uint8Array> = {}): string {
  return run(scaleAttestation(testDstack(events, body))).code;
}

describe("what the boot measured", () => {
  const events = testRuntimeEvents(TEST_COMPOSE_HASH);
  const named = (name: string) => events.findIndex((event) => event.name === name);

  test("app and compose file are there once, of their lengths, before the system is ready", () => {
    for (const name of ["app-id", "compose-hash"]) {
      const at = named(name);
      expect(codeOf(events.filter((_, i) => i !== at))).toBe("dstack_event_missing");
      expect(codeOf([...events.slice(0, at), events[at]!, ...events.slice(at)])).toBe(
        "dstack_event_duplicate",
      );
      expect(codeOf(events.with(at, dstackEvent(name, new Uint8Array(3))))).toBe("dstack_malformed");
      const moved = [...events.filter((_, i) => i !== at), events[at]!];
      expect(codeOf(moved)).toBe("dstack_event_missing");
    }
  });

  test.each(["instance-id", "system-ready"])("%s cannot be hidden behind another event type", (name) => {
    const hidden = events.with(named(name), { ...events[named(name)]!, type: 0x0800_0002 });
    expect(run(quoteResponse({ ...good, events: [...TEST_BOOT_EVENTS, ...hidden] })).code).toBe(
      "dstack_malformed",
    );
  });

  test("MRCONFIGID of version 1 names the same compose file", () => {
    expect(codeOf(events, { mrConfigId: configId(TEST_COMPOSE_HASH) })).toBe("ok");
    expect(codeOf(events, { mrConfigId: configId(new Uint8Array(32)) })).toBe("dstack_config_mismatch");
  });

  test("two lists that differ are refused", () => {
    const evidence = { ...good, events: [...TEST_BOOT_EVENTS, ...events.slice(0, -1)] };
    expect(run(scaleAttestation(evidence)).code).toBe("event_log_replay_mismatch");
    expect(run(namedAttestation({ ...good, runtimeEvents: events.slice(0, -1) })).code).toBe(
      "event_log_replay_mismatch",
    );
  });
});

describe("the policy's wishes", () => {
  const registers = registersOf(good.events);
  const measurement = {
    mrTd: "72".repeat(48),
    rtmr0: toHex(registers["rtmr0"]!),
    rtmr1: toHex(registers["rtmr1"]!),
    rtmr2: toHex(registers["rtmr2"]!),
  };
  const tdx = { measurements: [measurement] };
  const evidence = quoteResponse(good);

  test.each([
    ["composeHashes", composeHash, "compose_hash_mismatch"],
    ["appIds", composeHash.slice(0, 40), "app_id_mismatch"],
    ["osImageHashes", "08".repeat(32), "os_image_hash_mismatch"],
  ])("%s", (name, value, code) => {
    expect(run(evidence, { dstack: { [name]: [value] } }).code).toBe("ok");
    expect(run(evidence, { dstack: { [name]: ["ff".repeat(value.length / 2)] } }).code).toBe(code);
    expect(run(evidence, { dstack: { [name]: [] } }).code).toBe(code);
  });

  test("code is known by the operating system's measurements and the compose file", () => {
    const codeIdentity = "required";
    const dstack = { composeHashes: [composeHash] };
    expect(run(evidence, { codeIdentity, tdx, dstack })).toMatchObject({
      code: "ok",
      codeIdentity: "matched",
    });
    expect(run(evidence, { codeIdentity, dstack }).code).toBe("code_identity_unchecked");
    expect(run(evidence, { codeIdentity, tdx })).toMatchObject({
      code: "code_identity_unchecked",
      codeIdentity: "unchecked",
    });
    expect(run(evidence, { tdx })).toMatchObject({ code: "ok", codeIdentity: "unchecked" });
    const whole = { measurements: [{ ...measurement, rtmr3: toHex(registers["rtmr3"]!) }] };
    expect(run(evidence, { codeIdentity, tdx: whole })).toMatchObject({ codeIdentity: "matched" });
  });
});

test("report data that stands for a payload", () => {
  const payload = '{"pod":"one"}';
  const pack = (reportData: Uint8Array) => {
    const quote = testQuote("tdx4", { body: registersOf(good.events), reportData });
    return encodeMsgpack({
      version: 1,
      platform: { kind: "tdx", data: { quote, event_log: [] } },
      stack: {
        kind: "dstack-pod",
        data: {
          report_data: reportData,
          report_data_payload: payload,
          runtime_events: good.runtimeEvents.map(({ name, data }) => ({ event: name, payload: data })),
          config: "",
        },
      },
    });
  };
  expect(run(pack(sha512(utf8(`app-data:${payload}`)))).code).toBe("ok");
  expect(run(pack(new Uint8Array(64))).code).toBe("dstack_report_data_mismatch");
});

test.each([
  ["GCP", Uint8Array.of(0, 1)],
  ["Nitro Enclaves", Uint8Array.of(0, 2)],
  ["NitroTPM", Uint8Array.of(0, 4)],
  ["an unknown platform", Uint8Array.of(0, 9)],
  ["GCP, by name", encodeMsgpack({ version: 1, platform: { kind: "gcp-tdx", data: {} }, stack: {} })],
])("%s is not appraised", (_, evidence) => {
  expect(run(evidence).code).toBe("dstack_platform_unsupported");
});

test("changed evidence is rejected by code, or says the same", () => {
  const seeds = [quoteResponse(good), scaleAttestation(good), namedAttestation(good)];
  const claims = seeds.map((seed) => run(seed).claims);
  const edit = fc.record({
    seed: fc.nat({ max: 2 }),
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
      if (result.code !== "ok") return;
      const { dstack, ...rest } = result.claims as { dstack: Record<string, unknown> };
      const { dstack: before, ...restBefore } = claims[seed] as { dstack: Record<string, unknown> };
      expect(rest).toEqual(restBefore);
      // The host's configuration is its own word, and may say anything.
      expect({ ...dstack, configuredOsImageHash: "", configuredOsImageHashSource: "" }).toEqual({
        ...before,
        configuredOsImageHash: "",
        configuredOsImageHashSource: "",
      });
    }),
    { numRuns: 1000 },
  );
}, 60_000);

const folder = join(VECTORS_FOLDER, "dstack");
const why = existsSync(folder) ? "" : " (skipped: the folder of vectors is not there)";

function read(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(folder, name)));
}

function real(quote: Uint8Array) {
  const now = new Date("2026-11-23T00:00:00Z");
  return appraise({ type: "dstack", quote }, undefined, { now, policy: REPORTING_POLICY });
}

describe.skipIf(!existsSync(folder))(`real dstack evidence${why}`, () => {
  test.each(["quote-report.json", "guest-agent-attestation.bin", "sdk-simulator-attestation.bin"])(
    "%s leads to all registers, and lacks only collateral",
    (name) => {
      const result = real(read(name));
      expect(result.code).toBe("collateral_missing");
      const steps = result.transcript.filter(({ step }) => step.startsWith("event_log"));
      expect(steps.map(({ step, status }) => [step, status])).toEqual([
        ["event_log_rtmr3", "pass"],
        ["event_log_rtmr0", "pass"],
        ["event_log_rtmr1", "pass"],
        ["event_log_rtmr2", "pass"],
      ]);
    },
  );

  test("a SEV-SNP guest is accepted, its app bound by HOST_DATA", () => {
    const result = real(read("sev-snp-attestation.json"));
    expect(result).toMatchObject({ verdict: "accepted", code: "ok" });
    expect(result.claims["dstack"]).toMatchObject({
      platform: "sev-snp",
      appId: "86e59625be93207bc2351c4d1bba20037cec8e16",
      composeHash: "86e59625be93207bc2351c4d1bba20037cec8e168da6b18f559af5af657b7a23",
    });
  });

  test("a SEV-SNP guest with another document is rejected", () => {
    const text = new TextDecoder().decode(read("sev-snp-attestation.json"));
    const changed = text.replace(toHex(utf8('"key_provider":"kms"')), toHex(utf8('"key_provider":"tpm"')));
    expect(changed).not.toBe(text);
    expect(real(utf8(changed)).code).toBe("dstack_config_mismatch");
  });
});
