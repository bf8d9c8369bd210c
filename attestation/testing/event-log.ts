/** Event logs of the tests' own, in both forms, and quotes whose registers they lead to. */
import { concat, sha384, toHex, utf8 } from "../../codec/index.ts";
import { littleEndian } from "../attest/spdm-write.ts";
import { dstackEvent, replayRegister, type MeasuredEvent } from "../parse/event-log.ts";

/** A firmware event whose digest is that of its data. */
export function firmwareEvent(register: number, type: number, text: string): MeasuredEvent {
  const data = utf8(text);
  return { register, type, digest: sha384(data), name: "", data, isDataMeasured: true };
}

/** Two events for each of RTMR0 to RTMR2, as firmware and boot loader leave them. */
export const TEST_BOOT_EVENTS: readonly MeasuredEvent[] = [0, 1, 2].flatMap((register) => [
  firmwareEvent(register, 0x8000_000a, `firmware ${register}`),
  firmwareEvent(register, 4, `separator ${register}`),
]);

/** The specification's event, with SHA-256 and SHA-384. */
export function specIdEvent(
  algorithms: readonly [number, number][] = [
    [11, 32],
    [12, 48],
  ],
): Uint8Array {
  const list = algorithms.map(([id, size]) => concat(littleEndian(id, 2), littleEndian(size, 2)));
  const body = concat(
    utf8("Spec ID Event03\0"),
    Uint8Array.of(0, 0, 0, 0, 0, 2, 0, 2),
    littleEndian(algorithms.length, 4),
    ...list,
    Uint8Array.of(0),
  );
  return concat(
    littleEndian(1, 4),
    littleEndian(3, 4),
    new Uint8Array(20),
    littleEndian(body.length, 4),
    body,
  );
}

/** One event in the crypto-agile form, with a SHA-256 digest of zeros before the SHA-384 one. */
export function tcgEvent({ register, type, digest, data }: MeasuredEvent): Uint8Array {
  return concat(
    littleEndian(register + 1, 4),
    littleEndian(type, 4),
    littleEndian(2, 4),
    littleEndian(11, 2),
    new Uint8Array(32),
    littleEndian(12, 2),
    digest,
    littleEndian(data.length, 4),
    data,
  );
}

export function tcgLog(events: readonly MeasuredEvent[]): Uint8Array {
  return concat(specIdEvent(), ...events.map(tcgEvent), new Uint8Array(64).fill(0xff));
}

export interface JsonEvent {
  imr: number;
  event_type: number;
  digest: string;
  event: string;
  event_payload: string;
}

export function jsonEvents(events: readonly MeasuredEvent[]): JsonEvent[] {
  return events.map(({ register, type, digest, name, data }) => ({
    imr: register,
    event_type: type,
    digest: toHex(digest),
    event: name,
    event_payload: toHex(data),
  }));
}

export const TEST_COMPOSE = '{"manifest_version":2,"name":"test","runner":"docker-compose"}';

/** The events of a dstack boot, in their order, and one that the app measured. */
export function testRuntimeEvents(composeHash: Uint8Array): readonly MeasuredEvent[] {
  const entries: [string, Uint8Array][] = [
    ["system-preparing", new Uint8Array(0)],
    ["app-id", composeHash.subarray(0, 20)],
    ["compose-hash", composeHash],
    ["instance-id", new Uint8Array(20).fill(7)],
    ["boot-mr-done", new Uint8Array(0)],
    ["os-image-hash", new Uint8Array(32).fill(8)],
    ["key-provider", utf8('{"name":"kms","id":"00"}')],
    ["system-ready", new Uint8Array(0)],
    ["app-id", utf8("the app's word")],
  ];
  return entries.map(([name, payload]) => dstackEvent(name, payload));
}

/** Registers that the events lead to, as a quote's body takes them. */
export function registersOf(events: readonly MeasuredEvent[]): Record<string, Uint8Array> {
  return Object.fromEntries(
    [0, 1, 2, 3].map((register) => [`rtmr${register}`, replayRegister(events, register)]),
  );
}
