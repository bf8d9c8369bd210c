import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, toBase64, utf8 } from "../../codec/index.ts";
import { littleEndian } from "../attest/spdm-write.ts";
import { appraise, CollateralCache, parsePolicy, REPORTING_POLICY } from "../index.ts";
import { rootCertificate, testCollateral, testPki, testQuote, TEST_NOW } from "../testing/dcap.ts";
import {
  firmwareEvent,
  jsonEvents,
  registersOf,
  specIdEvent,
  tcgEvent,
  tcgLog,
  TEST_BOOT_EVENTS,
  type JsonEvent,
} from "../testing/event-log.ts";
import { VECTORS_FOLDER } from "../testing/vectors.ts";

const EVENTS = [...TEST_BOOT_EVENTS, firmwareEvent(3, 8, "measured by the guest")];
const policy = parsePolicy({
  formatVersion: 1,
  roots: [{ certificate: toBase64(rootCertificate(testPki())) }],
  codeIdentity: "reported",
});
const quote = testQuote("tdx4", { body: registersOf(EVENTS) });

const collateral = testCollateral("tdx4");
const cache = new CollateralCache();

function run(eventLog: Uint8Array) {
  return appraise({ type: "tdx", quote, eventLog }, collateral, { now: TEST_NOW, policy, cache });
}

function jsonLog(events: unknown): Uint8Array {
  return utf8(JSON.stringify(events));
}

test.each([
  ["a TCG2 log", tcgLog(EVENTS), "tcg2"],
  ["a TCG2 log with nothing behind it", concat(specIdEvent(), ...EVENTS.map(tcgEvent)), "tcg2"],
  ["a JSON log", jsonLog(jsonEvents(EVENTS)), "dstack"],
])("%s that leads to the registers", (_, log, format) => {
  const result = run(log);
  expect(result.code).toBe("ok");
  expect(result.claims["eventLog"]).toMatchObject({
    format,
    events: 7,
    eventsByRegister: [2, 2, 2, 1],
    eventsWithMeasuredData: 7,
  });
});

test("EV_NO_ACTION and what concerns MRTD is in no register", () => {
  const noAction = tcgEvent({ ...EVENTS[0]!, type: 3 });
  const mrtd = tcgEvent({ ...EVENTS[0]!, register: -1 });
  expect(run(concat(specIdEvent(), noAction, mrtd, ...EVENTS.map(tcgEvent))).code).toBe("ok");
});

test("data that its digest does not cover is not claimed to be measured", () => {
  const events = EVENTS.map((event, i) => (i === 0 ? { ...event, data: utf8("another text") } : event));
  const result = run(tcgLog(events));
  expect(result.code).toBe("ok");
  expect(result.claims["eventLog"]).toMatchObject({ eventsWithMeasuredData: 6 });
});

describe("every field of every event counts", () => {
  /** Changes to one JSON event, and what becomes of them. Type and data of firmware events are in no digest. */
  const CHANGES: Record<keyof JsonEvent, [unknown, string][]> = {
    imr: [
      [4, "event_log_malformed"],
      [-1, "event_log_malformed"],
      ["0", "event_log_malformed"],
      [undefined, "event_log_malformed"],
    ],
    event_type: [
      [2 ** 32, "event_log_malformed"],
      [null, "event_log_malformed"],
      [9, "ok"],
    ],
    digest: [
      ["00".repeat(48), "event_log_replay_mismatch"],
      ["00".repeat(47), "event_log_malformed"],
      ["", "event_log_malformed"],
      ["zz", "event_log_malformed"],
      [7, "event_log_malformed"],
    ],
    event: [
      [7, "event_log_malformed"],
      ["x".repeat(1025), "event_log_malformed"],
      ["a name", "ok"],
    ],
    event_payload: [
      ["0", "event_log_malformed"],
      [[], "event_log_malformed"],
      ["00", "ok"],
    ],
  };

  test.each(Object.keys(CHANGES) as (keyof JsonEvent)[])("%s", (field) => {
    for (let at = 0; at < EVENTS.length; at++) {
      for (const [value, code] of CHANGES[field]) {
        const events = jsonEvents(EVENTS).map((event, i) =>
          i === at ? { ...event, [field]: value } : event,
        );
        expect(run(jsonLog(events)).code, `${field} of ${at}: ${String(value)}`).toBe(code);
      }
    }
  });

  test("leaving out, repeating, moving and swapping events", () => {
    for (const [at, event] of EVENTS.entries()) {
      const without = EVENTS.filter((_, i) => i !== at);
      expect(run(tcgLog(without)).code).toBe("event_log_replay_mismatch");
      expect(run(tcgLog([...EVENTS, event])).code).toBe("event_log_replay_mismatch");
      const moved = { ...event, register: (event.register + 1) % 4 };
      expect(run(tcgLog(EVENTS.with(at, moved))).code).toBe("event_log_replay_mismatch");
    }
    expect(run(tcgLog([EVENTS[1]!, EVENTS[0]!, ...EVENTS.slice(2)])).code).toBe("event_log_replay_mismatch");
  });
});

test.each([
  ["nothing", new Uint8Array(0)],
  ["a list that is none", jsonLog({})],
  ["broken JSON", utf8("[{")],
  ["too many events", jsonLog(Array.from({ length: 8193 }, () => null))],
  ["another first event", concat(littleEndian(1, 8), specIdEvent().subarray(8))],
  [
    "two sizes of one algorithm",
    concat(
      specIdEvent([
        [12, 48],
        [12, 48],
      ]),
    ),
  ],
  ["a register that no TD has", concat(specIdEvent(), tcgEvent({ ...EVENTS[0]!, register: 4 }))],
  ["an event cut short", concat(specIdEvent(), tcgEvent(EVENTS[0]!).subarray(0, -1))],
  ["bytes behind the last event", concat(specIdEvent(), ...EVENTS.map(tcgEvent), Uint8Array.of(1, 2))],
  [
    "only SHA-256 in an event",
    concat(
      specIdEvent(),
      littleEndian(1, 4),
      littleEndian(4, 4),
      littleEndian(1, 4),
      littleEndian(11, 2),
      new Uint8Array(32),
      littleEndian(0, 4),
    ),
  ],
])("%s is malformed", (_, log) => {
  expect(run(log).code).toBe("event_log_malformed");
});

test("a log without SHA-384 is not understood", () => {
  expect(run(specIdEvent([[11, 32]])).code).toBe("event_log_unsupported");
});

test("changed logs are rejected by code or change nothing that counts", () => {
  const log = tcgLog(EVENTS);
  const edit = fc.record({
    at: fc.nat({ max: log.length - 1 }),
    bytes: fc.uint8Array({ maxLength: 6 }),
    cut: fc.nat({ max: 6 }),
  });
  fc.assert(
    fc.property(edit, ({ at, bytes, cut }) => {
      const result = run(concat(log.subarray(0, at), bytes, log.subarray(at + cut)));
      expect(result.code).toMatch(/^(?:ok|event_log_[a-z_]+)$/);
      if (result.code !== "ok") return;
      const { eventsByRegister } = result.claims["eventLog"] as { eventsByRegister: number[] };
      expect(eventsByRegister).toEqual([2, 2, 2, 1]);
    }),
    { numRuns: 1000 },
  );
});

const folder = join(VECTORS_FOLDER, "eventlogs");
const why = existsSync(folder) ? "" : " (skipped: the folder of vectors is not there)";

function read(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(folder, name)));
}

function replay(eventLog: Uint8Array) {
  const evidence = { type: "tdx", quote: read("google-ccel-cos-113-tdx-quote.dat"), eventLog } as const;
  return appraise(evidence, undefined, { now: TEST_NOW, policy: REPORTING_POLICY });
}

describe.skipIf(!existsSync(folder))(`a real CCEL and its quote${why}`, () => {
  test("leads to all four registers", () => {
    // There is no collateral for this quote, so the replay is what can be shown.
    const result = replay(read("google-ccel-ccel_data.dat"));
    expect(result).toMatchObject({ verdict: "rejected", code: "collateral_missing", claims: {} });
    const steps = result.transcript.filter(({ step }) => step.startsWith("event_log_rtmr"));
    expect(steps.map(({ status }) => status)).toEqual(["pass", "pass", "pass", "pass"]);
  });

  test("does not, with a digest changed", () => {
    const log = read("google-ccel-ccel_data.dat");
    // Behind the specification's event (65 bytes) and an event's register, type, count and algorithm (14 bytes).
    log[65 + 14]! ^= 1;
    expect(replay(log).code).toBe("event_log_replay_mismatch");
  });
});
