/** The headers of an infer request, read strictly: a header that means something is never half understood. */
import { fromHex } from "../../codec/index.ts";
import type { AppContext } from "../middleware/env.ts";
import type { Wish } from "../assurance/index.ts";
import { ASSURANCES, parseUsd, type Assurance } from "../policy.ts";
import { ServiceError } from "../problem.ts";
import type { Audience } from "../services.ts";

export interface InferHeaders {
  headerLength: number | undefined;
  salt: Uint8Array | undefined;
  audience: Audience | undefined;
  challengeNonce: Uint8Array | undefined;
  idempotencyKey: string | undefined;
  allowance: Uint8Array | undefined;
  wish: Wish;
}

const KNOWN = new Set([
  "affidavit-salt",
  "affidavit-audience",
  "affidavit-challenge-nonce",
  "affidavit-assurance",
  "affidavit-value-at-risk",
  "affidavit-allowance",
  "affidavit-public-input",
]);
const MAX_CHAIN_ID = 2n ** 256n - 1n;

/** @throws ServiceError `request_header_invalid`, `content_type_unsupported` */
export function readInferHeaders(c: AppContext): InferHeaders {
  checkContentType(c.req.header("content-type"));
  // One that a later version knows may ask for more than this one gives, and must not be passed over.
  for (const name of c.req.raw.headers.keys()) {
    if (name.startsWith("affidavit-") && !KNOWN.has(name)) {
      throw new ServiceError("request_header_invalid", "an Affidavit- header is not known to this service");
    }
  }
  return {
    headerLength: readHeaderLength(c.req.header("inference-header-content-length")),
    // Of a sealed request `sealable` read it: there the header is a ciphertext.
    salt: c.var.sealed ? c.var.sealed.salt : readSalt(c.req.header("affidavit-salt")),
    audience: readAudience(c.req.header("affidavit-audience")),
    challengeNonce: readChallengeNonce(c.req.header("affidavit-challenge-nonce")),
    idempotencyKey: readIdempotencyKey(c.req.header("idempotency-key")),
    allowance: readAllowance(c.req.header("affidavit-allowance")),
    wish: {
      assurance: readAssurance(c.req.header("affidavit-assurance")),
      valueAtRiskMicroUsd: readValueAtRisk(c.req.header("affidavit-value-at-risk")),
      publicInput: readPublicInput(c),
    },
  };
}

/** Under EHBP headers are in the clear: whoever is on the way could write this one, and so have a sealed input shown around. */
function readPublicInput(c: AppContext): boolean {
  const text = c.req.header("affidavit-public-input");
  if (text === undefined) return false;
  if (text !== "true")
    throw new ServiceError("request_header_invalid", "Affidavit-Public-Input is true, or absent");
  if (c.var.sealed)
    throw new ServiceError(
      "request_header_invalid",
      "the input of a sealed request is not public: send it in the clear",
    );
  return true;
}

/** Open Inference clients send JSON, octets (binary tensor data) or no type at all. */
function checkContentType(text: string | undefined): void {
  const type = text?.split(";", 1)[0]!.trim().toLowerCase();
  if (type === undefined || type === "application/json" || type === "application/octet-stream") return;
  throw new ServiceError("content_type_unsupported", "send application/json or application/octet-stream", {
    headers: { accept: "application/json, application/octet-stream" },
  });
}

function readHeaderLength(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9]{1,10}$/.test(text)) return Number(text);
  throw new ServiceError(
    "request_header_invalid",
    "Inference-Header-Content-Length is not a number of bytes",
  );
}

function readSalt(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9a-fA-F]{64}$/.test(text)) return fromHex(text, 32);
  throw new ServiceError("request_header_invalid", "Affidavit-Salt is not 64 hex digits");
}

function readAudience(text: string | undefined): Audience | undefined {
  if (text === undefined) return undefined;
  const match = /^([1-9][0-9]{0,77}):(0x[0-9a-fA-F]{40})$/.exec(text);
  const chainId = BigInt(match?.[1] ?? 0);
  if (match === null || chainId > MAX_CHAIN_ID) {
    throw new ServiceError("request_header_invalid", "Affidavit-Audience is not CHAIN_ID:0xADDRESS");
  }
  return { chainId, address: fromHex(match[2]!, 20) };
}

/** The bounds are those of an EAT nonce (RFC 9711 section 4.1). */
function readChallengeNonce(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  if (/^([0-9a-fA-F]{2}){8,64}$/.test(text)) return fromHex(text);
  throw new ServiceError("request_header_invalid", "Affidavit-Challenge-Nonce is not 8 to 64 bytes in hex");
}

function readIdempotencyKey(text: string | undefined): string | undefined {
  if (text === undefined || /^[\x21-\x7e]{1,255}$/.test(text)) return text;
  throw new ServiceError(
    "request_header_invalid",
    "Idempotency-Key is not 1 to 255 visible ASCII characters",
  );
}

function readAllowance(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  if (/^0x[0-9a-f]{64}$/.test(text)) return fromHex(text, 32);
  throw new ServiceError(
    "request_header_invalid",
    "Affidavit-Allowance is not 0x and 64 lower-case hex digits",
  );
}

function readAssurance(text: string | undefined): Assurance | undefined {
  const assurance = ASSURANCES.find((one) => one === text);
  if (text === undefined || assurance) return assurance;
  throw new ServiceError("request_header_invalid", `Affidavit-Assurance is one of ${ASSURANCES.join(", ")}`);
}

function readValueAtRisk(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  const amountMicroUsd = parseUsd(text);
  if (amountMicroUsd !== undefined) return amountMicroUsd;
  throw new ServiceError(
    "request_header_invalid",
    "Affidavit-Value-At-Risk is not an amount of US dollars such as 1250.50",
  );
}
