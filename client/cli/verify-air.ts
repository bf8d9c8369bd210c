/** `affidavit verify --format air`: AIR v1 receipts of any issuer, flags to a policy and the result in words and in JSON. */
import { CodecError, fromHex, toHex } from "../../codec/index.ts";
import {
  verifyAirReceipt,
  type AirClaims,
  type AirPolicy,
  type AirVerification,
  type MeasurementType,
} from "../../receipts/index.ts";
import { printJson, readInput, UsageError } from "./command.ts";
import { parseNow } from "./now.ts";
import { paint, printable } from "./output.ts";

const MAX_FILE_BYTES = 16 * 1024 * 1024;

export const airFlags = {
  format: { type: "string" },
  key: { type: "string" },
  nonce: { type: "string" },
  "model-hash": { type: "string" },
  platform: { type: "string" },
  "max-age": { type: "string" },
} as const;

type AirFlags = { [Name in keyof typeof airFlags]?: string } & {
  now?: string;
  "allow-simulated"?: boolean;
  json?: boolean;
};

const PLATFORMS: readonly string[] = ["tdx-mrtd-rtmr", "nitro-pcr"] satisfies MeasurementType[];

/** Flags of one format mean nothing to the other. @throws UsageError */
export function refuseAirFlags(values: AirFlags): void {
  const { format } = values;
  if (format !== undefined) throw new UsageError("--format takes air; leave it out for our own receipts");
  for (const name of Object.keys(airFlags) as (keyof typeof airFlags)[]) {
    if (values[name] !== undefined) throw new UsageError(`--${name} goes with --format air`);
  }
}

/**
 * @returns the exit status
 * @throws UsageError
 */
export async function runAir(path: string, values: AirFlags): Promise<number> {
  if (values.key === undefined) throw new UsageError("--format air needs --key, the issuer's Ed25519 key");
  const publicKey = bytesOf("key", values.key, 32);
  const policy = policyOf(values);
  const verification = verifyAirReceipt(await readInput(path, MAX_FILE_BYTES), publicKey, policy);
  if (values.json) printJson(airToJson(verification));
  else process.stdout.write(airLines(path, verification).join("\n") + "\n");
  return verification.verdict === "accepted" ? 0 : 1;
}

function policyOf(values: AirFlags): AirPolicy {
  const { platform, nonce, now, "max-age": maxAge, "model-hash": modelHash } = values;
  if (platform !== undefined && !PLATFORMS.includes(platform))
    throw new UsageError(`--platform is ${PLATFORMS.join(" or ")}`);
  if (maxAge !== undefined && !/^[0-9]{1,12}$/.test(maxAge))
    throw new UsageError("--max-age is a number of seconds");
  return {
    now: now === "document" ? now : parseNow(now),
    allowEvaluation: values["allow-simulated"] ?? false,
    nonce: nonce === undefined ? undefined : bytesOf("nonce", nonce),
    modelHash: modelHash === undefined ? undefined : bytesOf("model-hash", modelHash, 32),
    platform: platform as MeasurementType | undefined,
    maxAgeSeconds: maxAge === undefined ? undefined : Number(maxAge),
  };
}

function bytesOf(name: string, text: string, byteLength?: number): Uint8Array {
  try {
    return fromHex(text, byteLength);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new UsageError(
      `--${name} is not ${byteLength === undefined ? "" : `${2 * byteLength} `}hex digits`,
    );
  }
}

/** For one line of JSON: bytes as hex, integers as they are. */
function airToJson({ claims, ...verification }: AirVerification): object {
  return {
    ok: verification.verdict === "accepted",
    format: "air",
    ...verification,
    ...(claims && { claims: claimsToJson(claims) }),
  };
}

function claimsToJson(claims: AirClaims): Record<string, unknown> {
  const { measurements, ...flat } = claims;
  return { ...hexed(flat), measurements: hexed(measurements) };
}

function hexed(members: object): Record<string, unknown> {
  const entries = (Object.entries(members) as [string, unknown][]).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value instanceof Uint8Array ? toHex(value) : plain(value)]),
  );
}

/** Signed counts may pass 2^53: those stay decimal text. */
function plain(value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

/** The claims are the issuer's words, whoever that is. */
function airLines(path: string, { verdict, code, message, layer, claims }: AirVerification): string[] {
  if (verdict === "rejected")
    return [
      `${paint("red", "✗ rejected")} in layer ${layer}  ${path}: ${printable(message, 1000)} [${code}]`,
    ];
  const { measurements, ...flat } = claimsToJson(claims!);
  const rows = Object.entries({ ...flat, ...(measurements as object) });
  const accepted =
    claims!.securityMode === "evaluation" ? paint("yellow", "○ accepted") : paint("green", "✓ accepted");
  return [
    `${accepted}, AIR-local  ${path}`,
    "  The key signed these claims. Whose machine holds the key, AIR alone does not tell: check its evidence.",
    ...(claims!.securityMode === "evaluation" ? ["  The receipt calls itself one of an evaluation."] : []),
    "",
    ...rows.map(([name, value]) => `  ${name}: ${printable(String(value), 300)}`),
  ];
}
