/**
 * ACI v1 receipts (Dstack-TEE private-ai-gateway, spec/aci.md, "aci/1"): JSON whose JCS form (RFC 8785) without its
 * signature an Ed25519 key of the keyset signs. Its event log holds unsalted hashes: it is for the caller alone.
 */
import { equal, fromHex, jcs, sha256, toHex, utf8, type Json } from "../../codec/index.ts";
import { verifyEd25519 } from "../note.ts";
import { ProjectionError } from "./error.ts";

export const ACI_VERSION = "aci/1";
const MAX_LENGTH = 65_536;
const MAX_EVENTS = 64;

/** What a receipt of a direct service says: no upstream hop, one forwarding of the bytes as they came. */
export interface AciReceiptFields {
  receiptId: string;
  /** The model as the caller named it. */
  model: string;
  /** 32 bytes. */
  keysetDigest: Uint8Array;
  /** The path that was called. */
  endpoint: string;
  /** Unix time in seconds, by the host's clock. */
  servedAtSeconds: number;
  /** SHA-256 of the request and response bodies: 32 bytes each. */
  requestHash: Uint8Array;
  responseHash: Uint8Array;
  keyId: string;
}

/** `sha256:<hex>` over the JCS form: what ACI calls the digest of a keyset. */
export function aciDigest(document: Json): string {
  return aciHash(sha256(utf8(jcs(document))));
}

/** `sha256:<64 hex>` */
export function aciHash(hash32: Uint8Array): string {
  return `sha256:${toHex(hash32)}`;
}

/** The names that ACI gives an Ed25519 key in `receipt_signing_keys`. */
export function aciKeyId(publicKey32: Uint8Array): string {
  return `ed25519-${toHex(publicKey32.subarray(0, 8))}`;
}

function eventText(type: string, hash: string): string {
  return `{"body_hash":"${hash}","type":"${type}"}`;
}

/**
 * The receipt in its JCS form.
 * @param sign Ed25519 over the given bytes: 64 bytes
 */
export function buildAciReceipt(fields: AciReceiptFields, sign: (message: Uint8Array) => Uint8Array): string {
  const request = aciHash(fields.requestHash);
  const events = [
    eventText("request.received", request),
    eventText("request.forwarded", request),
    eventText("response.returned", aciHash(fields.responseHash)),
  ];
  // JCS by hand, since every answer waits for it: the members in their order, the caller's texts as JSON has them.
  const start = `{"api_version":"${ACI_VERSION}","chat_id":null,"endpoint":${jcs(fields.endpoint)},"event_log":[${events.join()}],"key_id":${jcs(fields.keyId)},"method":"POST","model":${jcs(fields.model)},"receipt_id":${jcs(fields.receiptId)},"served_at":${jcs(fields.servedAtSeconds)}`;
  const end = `,"workload_keyset_digest":"${aciHash(fields.keysetDigest)}"}`;
  return `${start},"signature":"${toHex(sign(utf8(start + end)))}"${end}`;
}

/** Any ACI document with its signature put in: its JCS form. */
export function signAciDocument(
  document: Record<string, Json>,
  sign: (message: Uint8Array) => Uint8Array,
): string {
  return jcs({ ...document, signature: toHex(sign(utf8(jcs(document)))) });
}

/** What a verified receipt says of the two bodies. */
export interface AciReceipt {
  receiptId: string;
  model: string | null;
  endpoint: string;
  servedAtSeconds: number;
  /** 32 bytes each; `forwarded` undefined where nothing was. */
  requestHash: Uint8Array;
  forwardedHash: Uint8Array | undefined;
  responseHash: Uint8Array;
}

type Members = Record<string, unknown>;

function fail(problem: string): never {
  throw new ProjectionError("aci_invalid", problem);
}

function object(value: unknown, what: string): Members {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail(`${what} is not an object`);
  return value as Members;
}

function text(value: unknown, maxLength: number, what: string): string {
  if (typeof value !== "string" || value.length > maxLength || !value.isWellFormed())
    fail(`${what} is not text of at most ${maxLength} characters`);
  return value;
}

const MEMBERS = [
  "api_version",
  "chat_id",
  "endpoint",
  "event_log",
  "key_id",
  "method",
  "model",
  "receipt_id",
  "served_at",
  "signature",
  "workload_keyset_digest",
] as const;

/**
 * Checks an ACI receipt of anyone, in any JSON encoding, against an established keyset (spec section 9.3, steps 1 and 2).
 * @param keyset `receipt_signing_keys` as ACI lays them out, and the keyset's digest, 32 bytes
 * @throws ProjectionError `aci_invalid`, `aci_version_unknown`, `aci_keyset_mismatch`, `aci_key_unknown`, `aci_signature_invalid`
 */
export function verifyAciReceipt(
  document: string,
  keyset: { digest: Uint8Array; signingKeys: readonly { keyId: string; publicKey: Uint8Array }[] },
): AciReceipt {
  const root = readDocument(document);
  if (root.api_version !== ACI_VERSION)
    throw new ProjectionError("aci_version_unknown", `api_version is not ${ACI_VERSION}`);
  if (root.workload_keyset_digest !== aciHash(keyset.digest))
    throw new ProjectionError("aci_keyset_mismatch", "workload_keyset_digest is not the keyset's");
  const key = keyset.signingKeys.find(({ keyId }) => keyId === root.key_id);
  if (!key) throw new ProjectionError("aci_key_unknown", "key_id names no receipt key of the keyset");
  const events = readEvents(root.event_log);
  const { signature, ...signed } = root;
  if (!/^[0-9a-f]{128}$/.test(text(signature, 128, "signature"))) fail("signature is not 128 hex digits");
  if (!verifyEd25519(fromHex(signature as string, 64), utf8(jcs(signed as Json)), key.publicKey))
    throw new ProjectionError("aci_signature_invalid", "the signature is not the key's");
  const { served_at: servedAtSeconds } = root;
  if (!Number.isSafeInteger(servedAtSeconds) || (servedAtSeconds as number) < 0)
    fail("served_at is not a Unix time");
  return {
    receiptId: text(root.receipt_id, 512, "receipt_id"),
    model: root.model === null ? null : text(root.model, 1024, "model"),
    endpoint: text(root.endpoint, 2048, "endpoint"),
    servedAtSeconds: servedAtSeconds as number,
    ...events,
  };
}

function readDocument(document: string): Record<(typeof MEMBERS)[number], unknown> {
  if (document.length > MAX_LENGTH) fail(`longer than ${MAX_LENGTH} characters`);
  let value: unknown;
  try {
    value = JSON.parse(document);
  } catch {
    fail("not JSON");
  }
  const root = object(value, "the receipt");
  if (Object.keys(root).length !== MEMBERS.length || !MEMBERS.every((name) => Object.hasOwn(root, name)))
    fail("members are missing or unknown");
  // Flat but for the event log, so that canonicalisation cannot be sent into deep recursion.
  for (const [name, member] of Object.entries(root)) {
    if (name !== "event_log" && typeof member === "object" && member !== null) fail(`${name} is not flat`);
  }
  return root as Record<(typeof MEMBERS)[number], unknown>;
}

function readEvents(value: unknown): Pick<AciReceipt, "requestHash" | "forwardedHash" | "responseHash"> {
  if (!Array.isArray(value) || value.length > MAX_EVENTS)
    fail(`event_log is not a list of at most ${MAX_EVENTS}`);
  const events = value.map((event) => object(event, "an event"));
  for (const event of events) {
    if (Object.values(event).some((member) => typeof member === "object" && member !== null))
      fail("an event is not flat");
  }
  const one = (type: string): Members | undefined => {
    const [found, ...more] = events.filter((event) => event["type"] === type);
    if (more.length > 0) fail(`${type} occurs twice`);
    return found;
  };
  const received = one("request.received");
  const forwarded = one("request.forwarded");
  const returned = one("response.returned");
  if (received === undefined || received !== events[0] || returned === undefined)
    fail("request.received is not first, or response.returned is missing");
  return {
    requestHash: bodyHash(received),
    forwardedHash: forwarded && bodyHash(forwarded),
    responseHash: bodyHash(returned),
  };
}

function bodyHash(event: Members): Uint8Array {
  const match = /^sha256:([0-9a-f]{64})$/.exec(text(event["body_hash"], 71, "body_hash"));
  if (!match) fail("body_hash is not sha256:<64 hex>");
  return fromHex(match[1]!, 32);
}

/** Whether a receipt is of these bytes, as sent and as received (spec section 9.3, steps 3 and 4). */
export function aciBodiesMatch(receipt: AciReceipt, request: Uint8Array, response: Uint8Array): boolean {
  return equal(receipt.requestHash, sha256(request)) && equal(receipt.responseHash, sha256(response));
}
