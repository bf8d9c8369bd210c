/** What a dstack guest is, by the events it measured at boot or the document that its launch is bound to. */
import { CodecError, fromUtf8, toHex } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { bootEvents } from "./dstack.ts";
import { malformedDstack } from "./dstack-wire.ts";
import type { MeasuredEvent } from "./event-log.ts";

/** Byte strings in lower-case hex. */
export interface DstackIdentity {
  /** 20 bytes. */
  readonly appId: string;
  /** SHA-256 of the compose file. */
  readonly composeHash: string;
  readonly instanceId?: string;
  /** As the guest's operating system measured its own image: worth what that system's measurements are worth. */
  readonly osImageHash?: string;
  /** JSON text of the key provider's name and identity. */
  readonly keyProvider?: string;
}

/** Events that may be there once before `system-ready`, with the byte lengths of their payloads. */
const BOOT_EVENTS = [
  { name: "app-id", member: "appId", byteLengths: [20], required: true },
  { name: "compose-hash", member: "composeHash", byteLengths: [32], required: true },
  { name: "instance-id", member: "instanceId", byteLengths: [0, 20], required: false },
  { name: "os-image-hash", member: "osImageHash", byteLengths: [32], required: false },
] as const;

function eventNamed(events: readonly MeasuredEvent[], name: string): MeasuredEvent | undefined {
  const found = events.filter((event) => event.name === name);
  if (found.length > 1) {
    throw new AttestationError("dstack_event_duplicate", `the boot measured ${name} more than once`);
  }
  return found[0];
}

function printableText(bytes: Uint8Array): string {
  try {
    if (bytes.length <= 4096) return fromUtf8(bytes);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
  }
  return malformedDstack("key-provider is not a short text");
}

/**
 * @param runtimeEvents RTMR3's, replayed by the caller
 * @throws AttestationError `dstack_event_missing`, `dstack_event_duplicate`, `dstack_malformed`
 */
export function readBootIdentity(runtimeEvents: readonly MeasuredEvent[]): DstackIdentity {
  const events = bootEvents(runtimeEvents);
  const members = new Map<string, string>();
  for (const { name, member, byteLengths, required } of BOOT_EVENTS) {
    const data = eventNamed(events, name)?.data;
    if (data === undefined) {
      if (required) throw new AttestationError("dstack_event_missing", `the boot did not measure ${name}`);
      continue;
    }
    if (!(byteLengths as readonly number[]).includes(data.length))
      malformedDstack(`${name} is of a wrong length`);
    if (data.length > 0) members.set(member, toHex(data));
  }
  const keyProvider = eventNamed(events, "key-provider");
  if (keyProvider !== undefined) members.set("keyProvider", printableText(keyProvider.data));
  return Object.fromEntries(members) as unknown as DstackIdentity;
}

function hexMember(members: ReadonlyMap<string, unknown>, name: string, byteLength: number): string {
  const value = members.get(name);
  const isHex = typeof value === "string" && /^[0-9a-f]*$/.test(value) && value.length === byteLength * 2;
  return isHex ? value : malformedDstack(`mr_config: ${name} is not ${byteLength} bytes in hex`);
}

/**
 * The configuration document, version 3, whose digest the platform's report carries.
 * @throws AttestationError `dstack_malformed`
 */
export function readMrConfig(document: string): DstackIdentity {
  let value: unknown;
  try {
    value = JSON.parse(document);
  } catch {
    malformedDstack("mr_config is not JSON");
  }
  if (typeof value !== "object" || value === null) malformedDstack("mr_config is not an object");
  const members = new Map<string, unknown>(Object.entries(value));
  if (members.get("version") !== 3) malformedDstack("mr_config is not of version 3");
  const provider = { name: members.get("key_provider"), id: members.get("key_provider_id") };
  const instanceId = members.get("instance_id");
  return {
    appId: hexMember(members, "app_id", 20),
    composeHash: hexMember(members, "compose_hash", 32),
    ...(typeof instanceId === "string" &&
      instanceId !== "" && { instanceId: hexMember(members, "instance_id", 20) }),
    keyProvider: JSON.stringify(provider),
  };
}
