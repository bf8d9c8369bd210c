/** TCG2 crypto-agile event logs with SHA-384 digests, as in the CCEL table of a TDX guest. */
import { equal, sha384, utf8 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { ByteReader } from "./byte-reader.ts";
import type { MeasuredEvent } from "./event-log.ts";

const EV_NO_ACTION = 3;
const SHA384 = 0x000c;
const SIGNATURE = utf8("Spec ID Event03\0");
const END_OF_LOG = 0xffff_ffff;
const MAX_ALGORITHMS = 8;
/** The register numbers of UEFI's CC measurement protocol for TDX: 0 is MRTD, 1 to 4 are RTMR0 to RTMR3. */
const MAX_REGISTER = 4;

function malformed(message: string): never {
  throw new AttestationError("event_log_malformed", `event log: ${message}`);
}

/** The first event, in the old form: TCG_EfiSpecIdEvent names the digest algorithms and their sizes. */
function readSpecIdEvent(reader: ByteReader): ReadonlyMap<number, number> {
  reader.take(4);
  if (reader.uint(4) !== EV_NO_ACTION) malformed("the first event is not the specification's");
  reader.take(20);
  const body = new ByteReader(reader.take(reader.uint(4)), malformed);
  if (!equal(body.take(16), SIGNATURE)) malformed("not a crypto-agile log");
  // platformClass, specVersionMinor, specVersionMajor, specErrata, uintnSize
  body.take(8);
  const count = body.uint(4);
  if (count === 0 || count > MAX_ALGORITHMS) malformed("no or too many digest algorithms");
  const sizes = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const algorithm = body.uint(2);
    const size = body.uint(2);
    if (sizes.has(algorithm) || size === 0 || size > 64) malformed("bad list of digest algorithms");
    sizes.set(algorithm, size);
  }
  body.take(body.u8());
  body.finish();
  if (sizes.get(SHA384) !== 48) {
    throw new AttestationError("event_log_unsupported", "the event log has no SHA-384 digests");
  }
  return sizes;
}

function readDigest(reader: ByteReader, sizes: ReadonlyMap<number, number>): Uint8Array {
  const count = reader.uint(4);
  if (count === 0 || count > sizes.size) malformed("an event has no or too many digests");
  const seen = new Map<number, Uint8Array>();
  for (let i = 0; i < count; i++) {
    const algorithm = reader.uint(2);
    const size = sizes.get(algorithm);
    if (size === undefined || seen.has(algorithm))
      malformed("a digest of an unnamed algorithm, or one twice");
    seen.set(algorithm, reader.take(size));
  }
  return seen.get(SHA384) ?? malformed("an event has no SHA-384 digest");
}

/** The log's area is filled up with FF, or with zeros where firmware cleared it. */
function isAtEnd(reader: ByteReader): boolean {
  if (reader.left === 0) return true;
  if (reader.left < 4) malformed("bytes after the last event");
  const next = reader.bytes.subarray(reader.offset, reader.offset + 8);
  return next.every((byte) => byte === 0xff) || next.every((byte) => byte === 0);
}

/**
 * The measured events of a log; EV_NO_ACTION and what concerns MRTD are left out, since no RTMR holds them.
 * @throws AttestationError `event_log_malformed`, `event_log_unsupported`
 */
export function parseTcgLog(bytes: Uint8Array, maxEvents: number): readonly MeasuredEvent[] {
  const reader = new ByteReader(bytes, malformed);
  const sizes = readSpecIdEvent(reader);
  const events: MeasuredEvent[] = [];
  for (let count = 0; !isAtEnd(reader); count++) {
    if (count === maxEvents) malformed("too many events");
    const index = reader.uint(4);
    if (index === END_OF_LOG) break;
    const type = reader.uint(4);
    const digest = readDigest(reader, sizes);
    const data = reader.take(reader.uint(4));
    if (index > MAX_REGISTER) malformed("an event names a register that a TD does not have");
    if (type === EV_NO_ACTION || index === 0) continue;
    const isDataMeasured = equal(sha384(data), digest);
    events.push({ register: index - 1, type, digest, name: "", data, isDataMeasured });
  }
  return events;
}
