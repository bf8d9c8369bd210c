/** What the commands of a service's administrator share. */
import { CodecError, fromUtf8 } from "../../codec/index.ts";
import { AffidavitError } from "../errors.ts";
import { Transport, type Answer } from "../transport.ts";
import { UsageError } from "./command.ts";
import { apiKeyFor, DEFAULT_URL } from "./credentials.ts";

export const ADMIN_FLAGS_HELP = `  --url URL            the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
  --key KEY            a key with the scope admin (AFFIDAVIT_API_KEY, else the file that npm start wrote)
  --json               one line for machines`;

export const adminFlags = {
  url: { type: "string" },
  key: { type: "string" },
  json: { type: "boolean" },
} as const;

/** @throws UsageError */
export async function adminTransport(values: { url?: string; key?: string }): Promise<Transport> {
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  if (!URL.canParse(url)) throw new UsageError("--url takes an address such as https://inference.example");
  return new Transport({ url, apiKey: await apiKeyFor(url, values.key) });
}

/** @throws UsageError */
export function noPositionals(positionals: string[]): void {
  if (positionals.length > 0) throw new UsageError(`unexpected ${JSON.stringify(positionals[0])}`);
}

/** A JSON object. @throws AffidavitError `server_response_invalid` */
export function readObject({ body }: Answer): Record<string, unknown> {
  try {
    return objectOf(JSON.parse(fromUtf8(body)));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof CodecError) throw malformedAnswer();
    throw error;
  }
}

/** @throws AffidavitError `server_response_invalid` */
export function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw malformedAnswer();
  return value as Record<string, unknown>;
}

/** A member that is text: the server's words are not ours. @throws AffidavitError `server_response_invalid` */
export function textMember(row: Record<string, unknown>, name: string): string {
  const value = row[name];
  if (typeof value !== "string") throw malformedAnswer();
  return value;
}

export function malformedAnswer(): AffidavitError {
  return new AffidavitError("server_response_invalid", "the server's answer is not of the documented form");
}
