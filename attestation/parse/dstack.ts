/**
 * Evidence of a dstack guest: the JSON that its agent answers with (`GetQuote`, `Attest`), or the binary attestation in
 * it. The quote inside is appraised like any other; the events, the configuration and the compose file count only as far
 * as they lead to it.
 */
import { CodecError, concat, fromHex, fromUtf8, sha256, sha512, utf8 } from "../../codec/index.ts";
import {
  malformedDstack,
  parseNamedAttestation,
  parseScaleAttestation,
  runtimeEventsOf,
} from "./dstack-wire.ts";
import { parseDstackEvents, type MeasuredEvent } from "./event-log.ts";

export interface DstackEvidence {
  readonly platform: "tdx" | "sev-snp";
  /** The TDX quote or SEV-SNP report. */
  readonly quote: Uint8Array;
  /** All events in the order given; empty on SEV-SNP, which has no registers for them. */
  readonly eventLog: readonly MeasuredEvent[];
  /** RTMR3's, as the agent keeps them. */
  readonly runtimeEvents: readonly MeasuredEvent[];
  /** 64 bytes, as the agent says that the quote carries. */
  readonly reportData: Uint8Array | undefined;
  /** The host's configuration of the machine: JSON, or empty. */
  readonly config: string;
  /** SEV-SNP: certificates in DER or PEM. */
  readonly certificates: readonly Uint8Array[];
  /** SEV-SNP: the document whose digest is in HOST_DATA. */
  readonly mrConfig: string | undefined;
  /** What report data is the hash of, where the agent says so. */
  readonly reportDataPayload?: string;
  /** The app's compose file. */
  readonly appCompose?: string;
}

const MAX_EVIDENCE_BYTES = 8 << 20;
const MAX_TEXT_LENGTH = 1 << 20;
const SYSTEM_READY = "system-ready";

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return malformedDstack(`${what} is not JSON`);
  }
}

function membersOf(value: unknown, what: string): ReadonlyMap<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    malformedDstack(`${what} is not an object`);
  }
  return new Map(Object.entries(value));
}

function hexText(value: unknown, what: string): Uint8Array {
  try {
    if (typeof value === "string") return fromHex(value);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
  }
  return malformedDstack(`${what} is not hex`);
}

function optionalText(value: unknown, what: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || value.length > MAX_TEXT_LENGTH) malformedDstack(`${what} is not a text`);
  return value;
}

/** The event log as a list, as JSON text, or as that text in hex. */
function eventsIn(value: unknown): readonly MeasuredEvent[] {
  if (typeof value !== "string") return parseDstackEvents(value);
  const text = /^(?:0x)?[0-9a-fA-F]*$/.test(value) ? fromUtf8(hexText(value, "event_log")) : value;
  return parseDstackEvents(parseJson(text, "event_log"));
}

function parseQuoteResponse(members: ReadonlyMap<string, unknown>): DstackEvidence {
  const eventLog = eventsIn(members.get("event_log"));
  const given = optionalText(members.get("report_data"), "report_data");
  const short = given === undefined || given === "" ? undefined : hexText(given, "report_data");
  if (short !== undefined && short.length > 64) malformedDstack("report_data is longer than 64 bytes");
  return {
    platform: "tdx",
    quote: hexText(members.get("quote"), "quote"),
    eventLog,
    runtimeEvents: runtimeEventsOf(eventLog),
    reportData: short && concat(short, new Uint8Array(64 - short.length)),
    config: optionalText(members.get("vm_config"), "vm_config") ?? "",
    certificates: [],
    mrConfig: undefined,
  };
}

function parseBinary(bytes: Uint8Array): DstackEvidence {
  if (bytes[0] === 0) return parseScaleAttestation(bytes);
  return parseNamedAttestation(bytes);
}

/**
 * dstack evidence in any of its forms, of at most 8 MiB.
 * @throws AttestationError `dstack_malformed`, `dstack_platform_unsupported`, `event_log_malformed`,
 * `event_log_payload_mismatch`
 */
export function parseDstack(bytes: Uint8Array): DstackEvidence {
  if (bytes.length === 0 || bytes.length > MAX_EVIDENCE_BYTES) malformedDstack("empty or too large");
  const start = bytes.findIndex((byte) => byte > 0x20);
  if (bytes[0] === 0 || bytes[start] !== 0x7b) return parseBinary(bytes);
  let text: string;
  try {
    text = fromUtf8(bytes);
  } catch (error) {
    if (error instanceof CodecError) malformedDstack("not UTF-8");
    throw error;
  }
  const members = membersOf(parseJson(text, "the report"), "the report");
  const attestation = members.get("attestation");
  const isWhole = typeof attestation === "string" && attestation !== "";
  const evidence = isWhole ? parseBinary(hexText(attestation, "attestation")) : parseQuoteResponse(members);
  const appCompose = optionalText(members.get("app_compose"), "app_compose");
  return { ...evidence, ...(appCompose !== undefined && { appCompose }) };
}

/** What report data must be where it stands for a payload: SHA-512 of the tag of application data and the payload. */
export function payloadReportData(payload: string): Uint8Array {
  return sha512(utf8("app-data:"), utf8(payload));
}

/** SHA-256 of an MrConfig document, version 3, behind its domain and a zero byte. */
export function mrConfigDigest(document: string): Uint8Array {
  return sha256(utf8("dstack-mr-config-v3:"), new Uint8Array(1), utf8(document));
}

/**
 * dstack's own events from before the app runs: what comes after `system-ready` is the app's word, whatever its name.
 */
export function bootEvents(events: readonly MeasuredEvent[]): readonly MeasuredEvent[] {
  const end = events.findIndex(({ name }) => name === SYSTEM_READY);
  return end < 0 ? events : events.slice(0, end);
}

/** The digest of the operating system's image in the host's configuration, hex; undefined where it names none. */
export function configuredOsImage(config: string): string | undefined {
  if (config === "" || config.length > MAX_TEXT_LENGTH) return undefined;
  const outer = membersOf(parseJson(config, "the configuration"), "the configuration");
  const nested = outer.get("vm_config");
  const members = typeof nested === "string" ? membersOf(parseJson(nested, "vm_config"), "vm_config") : outer;
  const digest = members.get("os_image_hash");
  return typeof digest === "string" && /^[0-9a-fA-F]{64}$/.test(digest) ? digest.toLowerCase() : undefined;
}
