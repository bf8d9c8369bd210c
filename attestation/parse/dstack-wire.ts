/**
 * dstack's binary attestations: version 0 in SCALE, version 1 in MessagePack with names. Nothing of them is trusted:
 * what counts is what leads to a verified quote.
 */
import { CodecError, fromUtf8 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { ByteReader } from "./byte-reader.ts";
import type { DstackEvidence } from "./dstack.ts";
import { DSTACK_EVENT_TYPE, dstackEvent, parseDstackEvents, type MeasuredEvent } from "./event-log.ts";
import { toHex } from "../../codec/index.ts";
import { decodeMsgpack, type MsgpackValue } from "./msgpack.ts";

export function malformedDstack(message: string): never {
  throw new AttestationError("dstack_malformed", `dstack evidence: ${message}`);
}

function unsupported(platform: string): never {
  throw new AttestationError("dstack_platform_unsupported", `dstack on ${platform} is not appraised`);
}

const MAX_EVENTS = 8192;
const MAX_CERTIFICATES = 8;
const SCALE_PLATFORMS = ["tdx", "gcp-tdx", "nitro-enclave", "sev-snp", "aws-nitro-tpm"];

class ScaleReader extends ByteReader {
  constructor(bytes: Uint8Array) {
    super(bytes, malformedDstack);
  }

  /** A compact integer below 2^30. */
  compact(): number {
    const first = this.u8();
    const mode = first & 3;
    if (mode === 0) return first >>> 2;
    if (mode === 3) return malformedDstack("a length beyond 2^30");
    const rest = mode === 1 ? this.uint(1) : this.uint(3);
    return (first >>> 2) + rest * 64;
  }

  blob(): Uint8Array {
    return this.take(this.compact());
  }

  text(): string {
    return utf8Text(this.blob());
  }

  list<T>(max: number, read: () => T): T[] {
    const count = this.compact();
    if (count > max) malformedDstack("a list is too long");
    return Array.from({ length: count }, read);
  }
}

function utf8Text(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (error) {
    if (error instanceof CodecError) malformedDstack("a text is not UTF-8");
    throw error;
  }
}

function eventOf(parts: {
  imr: MsgpackValue | undefined;
  type: MsgpackValue | undefined;
  digest: Uint8Array;
  name: MsgpackValue | undefined;
  payload: Uint8Array;
  version: MsgpackValue | undefined;
}): unknown {
  return {
    imr: parts.imr,
    event_type: parts.type,
    digest: toHex(parts.digest),
    event: parts.name,
    event_payload: toHex(parts.payload),
    ...(parts.version !== undefined && { version: parts.version }),
  };
}

function scaleEvents(reader: ScaleReader): readonly MeasuredEvent[] {
  const events = reader.list(MAX_EVENTS, () => {
    const imr = reader.uint(4);
    const type = reader.uint(4);
    const digest = reader.blob();
    const name = reader.text();
    return eventOf({ imr, type, digest, name, payload: reader.blob(), version: undefined });
  });
  return parseDstackEvents(events);
}

/** @throws AttestationError `dstack_malformed`, `dstack_platform_unsupported`, and those of event logs */
export function parseScaleAttestation(bytes: Uint8Array): DstackEvidence {
  const reader = new ScaleReader(bytes);
  if (reader.u8() !== 0) malformedDstack("not of version 0");
  const platform = SCALE_PLATFORMS[reader.u8()];
  if (platform !== "tdx" && platform !== "sev-snp") unsupported(platform ?? "an unknown platform");
  const quote = reader.blob();
  const eventLog = platform === "tdx" ? scaleEvents(reader) : [];
  const certificates = platform === "tdx" ? [] : reader.list(MAX_CERTIFICATES, () => reader.blob());
  const mrConfig = platform === "tdx" ? undefined : reader.text();
  const runtimeEvents = reader.list(MAX_EVENTS, () => {
    const name = reader.text();
    return dstackEvent(name, reader.blob());
  });
  const reportData = reader.take(64);
  const config = reader.text();
  reader.finish();
  return { platform, quote, eventLog, runtimeEvents, reportData, config, certificates, mrConfig };
}

function member(value: MsgpackValue | undefined, name: string): MsgpackValue | undefined {
  return value instanceof Map ? (value as ReadonlyMap<string, MsgpackValue>).get(name) : undefined;
}

function isByte(value: unknown): boolean {
  return typeof value === "number" && value <= 255;
}

/** Bytes, or the list of numbers that serde makes of a plain vector. */
function bytesIn(value: MsgpackValue | undefined, what: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (!Array.isArray(value)) malformedDstack(`${what} is not bytes`);
  if (!value.every(isByte)) malformedDstack(`${what} is not bytes`);
  return Uint8Array.from(value as number[]);
}

function listIn(value: MsgpackValue | undefined, what: string): readonly MsgpackValue[] {
  if (!Array.isArray(value) || value.length > MAX_EVENTS) malformedDstack(`${what} is not a list`);
  return value as readonly MsgpackValue[];
}

function textIn(value: MsgpackValue | undefined, what: string): string {
  return typeof value === "string" ? value : malformedDstack(`${what} is not a text`);
}

function versionIn(value: MsgpackValue | undefined): 1 | 2 {
  return value === undefined || value === 1 ? 1 : value === 2 ? 2 : malformedDstack("unknown event version");
}

function namedEvents(value: MsgpackValue | undefined): readonly MeasuredEvent[] {
  const events = listIn(value, "event_log").map((event) =>
    eventOf({
      imr: member(event, "imr"),
      type: member(event, "event_type"),
      digest: bytesIn(member(event, "digest"), "digest"),
      name: member(event, "event"),
      payload: bytesIn(member(event, "event_payload"), "event_payload"),
      version: member(event, "version"),
    }),
  );
  return parseDstackEvents(events);
}

/** @throws AttestationError `dstack_malformed`, `dstack_platform_unsupported`, and those of event logs */
export function parseNamedAttestation(bytes: Uint8Array): DstackEvidence {
  const root = decodeMsgpack(bytes, { maxDepth: 6, maxItems: 1 << 18 }, malformedDstack);
  if (member(root, "version") !== 1) malformedDstack("not of version 1");
  const platform = member(member(root, "platform"), "kind");
  const data = member(member(root, "platform"), "data");
  const stack = member(member(root, "stack"), "data");
  if (platform !== "tdx" && platform !== "sev-snp") unsupported(textIn(platform, "platform"));
  const payload = member(stack, "report_data_payload");
  const reportData = bytesIn(member(stack, "report_data"), "report_data");
  if (reportData.length !== 64) malformedDstack("report_data is not of 64 bytes");
  const certificates = platform === "tdx" ? [] : listIn(member(data, "cert_chain"), "cert_chain");
  if (certificates.length > MAX_CERTIFICATES) malformedDstack("too many certificates");
  return {
    platform,
    quote: bytesIn(member(data, platform === "tdx" ? "quote" : "report"), "quote"),
    eventLog: platform === "tdx" ? namedEvents(member(data, "event_log")) : [],
    runtimeEvents: listIn(member(stack, "runtime_events"), "runtime_events").map((event) =>
      dstackEvent(textIn(member(event, "event"), "event"), bytesIn(member(event, "payload"), "payload"), {
        version: versionIn(member(event, "version")),
      }),
    ),
    reportData,
    config: textIn(member(stack, "config"), "config"),
    certificates: certificates.map((certificate) => bytesIn(certificate, "cert_chain")),
    mrConfig: platform === "tdx" ? undefined : textIn(member(data, "mr_config"), "mr_config"),
    ...(payload !== undefined && { reportDataPayload: textIn(payload, "report_data_payload") }),
  };
}

/**
 * The events that a log has for RTMR3 where no list of its own is given. Only dstack extends RTMR3, and only of its own
 * events do name and payload lead to the digest: one that calls itself another type would be replayed and not be read.
 * @throws AttestationError `dstack_malformed`
 */
export function runtimeEventsOf(events: readonly MeasuredEvent[]): readonly MeasuredEvent[] {
  const own = events.filter(({ register }) => register === 3);
  if (own.some(({ type }) => type !== DSTACK_EVENT_TYPE)) {
    malformedDstack("RTMR3 holds an event that is not dstack's");
  }
  return own;
}
