/**
 * What the caller keeps to itself beside a receipt: salt, identity and bodies. Whoever has it can recompute every salted
 * digest of the statement; whoever has only the receipt cannot.
 */
import { toBase64, toHex0x } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import { Shape } from "./shape.ts";

export const MAX_BODY_BYTES = 64 * 1024 * 1024;
const FORMAT_VERSION = 1;
const shape: Shape = new Shape("private_part_invalid");

/** A body as it was hashed: identity content-coding, no transfer framing. */
export interface Body {
  bytes: Uint8Array;
  contentType: string;
  /** `Inference-Header-Content-Length` of a body with binary tensors: where its JSON ends, in bytes. */
  headerLength: number | null;
}

export interface PrivatePart {
  /** The request's salt, 32 bytes. */
  salt: Uint8Array;
  /** The identity behind `requester`, such as `account:<id>`. */
  requester: string;
  request: Body;
  response: Body;
}

/**
 * The private part's JSON text, checked by parsing it again.
 * @throws ReceiptError `private_part_invalid`
 */
export function serializePrivatePart({ salt, requester, request, response }: PrivatePart): string {
  const document: Json = {
    formatVersion: FORMAT_VERSION,
    salt: toHex0x(salt),
    requester,
    requestContentType: request.contentType,
    requestHeaderLength: request.headerLength,
    requestBody: toBase64(request.bytes),
    responseContentType: response.contentType,
    responseHeaderLength: response.headerLength,
    responseBody: toBase64(response.bytes),
  };
  const text = `${JSON.stringify(document, null, 2)}\n`;
  parsePrivatePart(text);
  return text;
}

const MEMBERS = [
  "formatVersion",
  "salt",
  "requester",
  "requestContentType",
  "requestHeaderLength",
  "requestBody",
  "responseContentType",
  "responseHeaderLength",
  "responseBody",
] as const;

function readBody(members: Record<(typeof MEMBERS)[number], unknown>, side: "request" | "response"): Body {
  const bytes = shape.base64(members[`${side}Body`], MAX_BODY_BYTES, `${side}Body`);
  const headerLength = members[`${side}HeaderLength`];
  return {
    bytes,
    contentType: shape.text(members[`${side}ContentType`], 255, `${side}ContentType`),
    headerLength:
      headerLength === null ? null : shape.integer(headerLength, 0, bytes.length, `${side}HeaderLength`),
  };
}

/**
 * JSON text to the private part. That it belongs to a receipt is for the digests to show.
 * @throws ReceiptError `private_part_invalid`, `format_version_unknown`
 */
export function parsePrivatePart(text: string): PrivatePart {
  const document = shape.json(text, 3 * MAX_BODY_BYTES);
  if (typeof document !== "object" || document === null || !Object.hasOwn(document, "formatVersion")) {
    shape.fail("document", "no formatVersion");
  }
  if (Reflect.get(document, "formatVersion") !== FORMAT_VERSION) {
    throw new ReceiptError("format_version_unknown", "unknown formatVersion");
  }
  const members = shape.object(document, MEMBERS, "document");
  return {
    salt: shape.hex(members.salt, 32, "salt"),
    requester: shape.text(members.requester, 1024, "requester"),
    request: readBody(members, "request"),
    response: readBody(members, "response"),
  };
}
