/**
 * Event logs of measured boot for TDX, in the two forms in use: the TCG2 crypto-agile log that firmware leaves in the
 * CCEL table (TCG PC Client Platform Firmware Profile 1.06, section 10.2; UEFI 2.11, section 38.4.1 for the registers),
 * and the JSON list that dstack's guest agent gives out. A log is the word of the host until it is replayed against the
 * registers of a quote whose signatures hold.
 */
import { CodecError, concat, equal, fromHex, fromUtf8, jcs, sha384, toHex, utf8 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { parseTcgLog } from "./event-log-tcg.ts";

export interface MeasuredEvent {
  /** RTMR that the event was extended into, 0 to 3. */
  readonly register: number;
  readonly type: number;
  /** SHA-384, what the register was extended with; 48 bytes. */
  readonly digest: Uint8Array;
  /** dstack's name of the event, empty in a TCG log. */
  readonly name: string;
  readonly data: Uint8Array;
  /** Whether `digest` is the hash of `data`, so that a replay vouches for the data too. */
  readonly isDataMeasured: boolean;
}

export interface EventLog {
  readonly format: "tcg2" | "dstack";
  readonly events: readonly MeasuredEvent[];
}

/** dstack's own events, measured at run time. */
export const DSTACK_EVENT_TYPE = 0x0800_0001;
export const RTMR_COUNT = 4;
export const MAX_EVENT_LOG_BYTES = 4 << 20;
const MAX_EVENTS = 8192;

export function malformedLog(message: string): never {
  throw new AttestationError("event_log_malformed", `event log: ${message}`);
}

function isUint32(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

function hexMember(value: unknown, what: string): Uint8Array {
  if (typeof value !== "string") malformedLog(`${what} is not hex`);
  try {
    return fromHex(value);
  } catch (error) {
    if (error instanceof CodecError) malformedLog(`${what} is not hex`);
    throw error;
  }
}

/** The digest of a dstack event: version 1 joins the parts with colons, version 2 hashes their canonical JSON. */
export function dstackEventDigest(name: string, payload: Uint8Array, version: 1 | 2): Uint8Array {
  if (version === 2) {
    return sha384(utf8(jcs({ name, payload: toHex(payload), type: DSTACK_EVENT_TYPE })));
  }
  const type = Uint8Array.of(0x01, 0x00, 0x00, 0x08);
  return sha384(concat(type, utf8(":"), utf8(name), utf8(":"), payload));
}

/**
 * A dstack event whose digest is computed where none is given, and must fit where one is.
 * @throws AttestationError `event_log_payload_mismatch`
 */
export function dstackEvent(
  name: string,
  data: Uint8Array,
  given: { readonly digest?: Uint8Array; readonly version?: 1 | 2 } = {},
): MeasuredEvent {
  const versions = given.version === undefined && given.digest?.length ? [1, 2] : [given.version ?? 1];
  const digests = versions.map((version) => dstackEventDigest(name, data, version as 1 | 2));
  const digest = given.digest?.length ? digests.find((value) => equal(value, given.digest!)) : digests[0];
  if (digest === undefined) {
    throw new AttestationError("event_log_payload_mismatch", "a dstack event does not hash to its digest");
  }
  return { register: 3, type: DSTACK_EVENT_TYPE, digest, name, data, isDataMeasured: true };
}

function parseJsonEvent(value: unknown): MeasuredEvent {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    malformedLog("an event is no object");
  const event = new Map(Object.entries(value));
  const register = event.get("imr");
  const type = event.get("event_type");
  const name = event.get("event") ?? "";
  const version = event.get("version");
  if (!isUint32(register) || register >= RTMR_COUNT) malformedLog("imr is not 0 to 3");
  if (!isUint32(type)) malformedLog("event_type is not a 32-bit number");
  if (typeof name !== "string" || name.length > 1024) malformedLog("event is not a short text");
  if (version !== undefined && version !== 1 && version !== 2) malformedLog("version is not 1 or 2");
  const digest = hexMember(event.get("digest") ?? "", "digest");
  const data = hexMember(event.get("event_payload") ?? "", "event_payload");
  if (type === DSTACK_EVENT_TYPE) {
    if (register !== 3) malformedLog("a dstack event is not in RTMR3");
    return dstackEvent(name, data, { digest, ...(version !== undefined && { version }) });
  }
  if (digest.length !== 48) malformedLog("a digest is not of 48 bytes");
  return { register, type, digest, name, data, isDataMeasured: equal(sha384(data), digest) };
}

/**
 * dstack's list, parsed from JSON.
 * @throws AttestationError `event_log_malformed`, `event_log_payload_mismatch`
 */
export function parseDstackEvents(value: unknown): readonly MeasuredEvent[] {
  if (!Array.isArray(value)) malformedLog("not a list of events");
  if (value.length > MAX_EVENTS) malformedLog("too many events");
  return value.map(parseJsonEvent);
}

/**
 * One event log in either form, of at most 4 MiB.
 * @throws AttestationError `event_log_malformed`, `event_log_payload_mismatch`, `event_log_unsupported`
 */
export function parseEventLog(bytes: Uint8Array): EventLog {
  if (bytes.length > MAX_EVENT_LOG_BYTES) malformedLog("too large");
  if (bytes[0] !== 0x5b) return { format: "tcg2", events: parseTcgLog(bytes, MAX_EVENTS) };
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch {
    malformedLog("not JSON");
  }
  return { format: "dstack", events: parseDstackEvents(value) };
}

/** What a register holds after the log's events, from 48 zero bytes on. */
export function replayRegister(events: readonly MeasuredEvent[], register: number): Uint8Array {
  let value: Uint8Array = new Uint8Array(48);
  for (const event of events) if (event.register === register) value = sha384(value, event.digest);
  return value;
}
