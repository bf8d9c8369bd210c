/** dstack evidence of the tests' own, in every form that the guest agent gives out. */
import { concat, sha256, toHex, utf8 } from "../../codec/index.ts";
import { littleEndian } from "../attest/spdm-write.ts";
import type { MeasuredEvent } from "../parse/event-log.ts";
import { testQuote } from "./dcap.ts";
import { jsonEvents, registersOf, TEST_BOOT_EVENTS, TEST_COMPOSE, testRuntimeEvents } from "./event-log.ts";

export const TEST_COMPOSE_HASH = sha256(utf8(TEST_COMPOSE));
export const TEST_CONFIG = JSON.stringify({ os_image_hash: "08".repeat(32), cpu_count: 2 });

export interface TestDstack {
  readonly quote: Uint8Array;
  readonly events: readonly MeasuredEvent[];
  readonly runtimeEvents: readonly MeasuredEvent[];
  readonly reportData: Uint8Array;
}

export function testDstack(
  runtimeEvents: readonly MeasuredEvent[] = testRuntimeEvents(TEST_COMPOSE_HASH),
  body: Record<string, Uint8Array> = {},
): TestDstack {
  const reportData = new Uint8Array(64).fill(0xd0);
  const events = [...TEST_BOOT_EVENTS, ...runtimeEvents];
  const quote = testQuote("tdx4", { body: { ...registersOf(events), ...body }, reportData });
  return { quote, events, runtimeEvents, reportData };
}

/** As `GetQuote` answers. */
export function quoteResponse({ quote, events, reportData }: TestDstack, changes: object = {}): Uint8Array {
  const response = {
    quote: toHex(quote),
    event_log: JSON.stringify(jsonEvents(events)),
    report_data: toHex(reportData),
    vm_config: TEST_CONFIG,
    ...changes,
  };
  return utf8(JSON.stringify(response));
}

function compact(value: number): Uint8Array {
  if (value < 64) return Uint8Array.of(value << 2);
  return value < 1 << 14 ? littleEndian(value * 4 + 1, 2) : littleEndian(value * 4 + 2, 4);
}

function scaleBlob(bytes: Uint8Array): Uint8Array {
  return concat(compact(bytes.length), bytes);
}

/** Version 0. */
export function scaleAttestation({ quote, events, runtimeEvents, reportData }: TestDstack): Uint8Array {
  return concat(
    Uint8Array.of(0, 0),
    scaleBlob(quote),
    compact(events.length),
    ...events.map(({ register, type, digest, name, data }) =>
      concat(
        littleEndian(register, 4),
        littleEndian(type, 4),
        scaleBlob(digest),
        scaleBlob(utf8(name)),
        scaleBlob(data),
      ),
    ),
    compact(runtimeEvents.length),
    ...runtimeEvents.map(({ name, data }) => concat(scaleBlob(utf8(name)), scaleBlob(data))),
    reportData,
    scaleBlob(utf8(TEST_CONFIG)),
  );
}

type Packable = number | string | Uint8Array | readonly Packable[] | { readonly [name: string]: Packable };

function packHead(head: number, length: number): Uint8Array {
  return Uint8Array.of(head, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255);
}

/** MessagePack with the longest heads, which readers must take too. */
export function encodeMsgpack(value: Packable): Uint8Array {
  if (typeof value === "number") return value < 128 ? Uint8Array.of(value) : packHead(0xce, value);
  if (typeof value === "string") return concat(packHead(0xdb, utf8(value).length), utf8(value));
  if (value instanceof Uint8Array) return concat(packHead(0xc6, value.length), value);
  if (Array.isArray(value)) return concat(packHead(0xdd, value.length), ...value.map(encodeMsgpack));
  const entries = Object.entries(value as Record<string, Packable>);
  const head = Uint8Array.of(0x80 | entries.length);
  return concat(head, ...entries.flatMap(([name, member]) => [encodeMsgpack(name), encodeMsgpack(member)]));
}

/** Version 1: plain vectors are lists of numbers, as serde writes them. */
export function namedAttestation({ quote, events, runtimeEvents, reportData }: TestDstack): Uint8Array {
  return encodeMsgpack({
    version: 1,
    platform: {
      kind: "tdx",
      data: {
        quote: [...quote],
        event_log: events.map(({ register, type, digest, name, data }) => ({
          imr: register,
          event_type: type,
          digest,
          event: name,
          event_payload: data,
        })),
      },
    },
    stack: {
      kind: "dstack",
      data: {
        report_data: [...reportData],
        runtime_events: runtimeEvents.map(({ name, data }) => ({ event: name, payload: data })),
        config: TEST_CONFIG,
      },
    },
  });
}
