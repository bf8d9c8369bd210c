/** What a monitor reads of a log, by HTTP (c2sp.org/tlog-tiles) and from the service's documents. Nothing is believed yet. */
import { toHex } from "../../codec/index.ts";
import { MAX_REVOCATIONS_BYTES, tilePath, type TileId } from "../../receipts/index.ts";
import { AffidavitError } from "../errors.ts";

const TIMEOUT_MS = 30_000;
/** A full bundle is 34 KB; a document may be some endorsements. */
const MAX_BYTES = 4 * 1024 * 1024;

export interface LogSource {
  checkpoint(): Promise<string>;
  tile(tile: TileId): Promise<Uint8Array>;
  /** @param digest 32 bytes */
  document(digest: Uint8Array): Promise<Uint8Array>;
  /** JSON text of `GET /v1/attestation`. */
  attestation(): Promise<string>;
  /** JSON text of `GET /v1/revocations`. */
  revocations(): Promise<string>;
}

/** @throws AffidavitError `server_unreachable`, `server_timeout`, `server_error`, `server_response_invalid` from each */
export function httpSource(url: string, request: typeof fetch = fetch): LogSource {
  const base = url.replace(/\/$/, "");
  const bytes = (path: string, maxBytes = MAX_BYTES) => getBytes(request, `${base}${path}`, maxBytes);
  const text = async (path: string, maxBytes?: number) =>
    new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(await bytes(path, maxBytes));
  return {
    checkpoint: () => text("/log/checkpoint"),
    tile: (tile) => bytes(`/log/${tilePath(tile)}`),
    document: (digest) => bytes(`/v1/documents/${toHex(digest)}`),
    attestation: () => text("/v1/attestation"),
    revocations: () => text("/v1/revocations", MAX_REVOCATIONS_BYTES),
  };
}

/**
 * A public resource, at most `maxBytes` long.
 * @throws AffidavitError `server_unreachable`, `server_timeout`, `server_error`, `server_response_invalid`
 */
export async function getBytes(request: typeof fetch, url: string, maxBytes: number): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  try {
    response = await request(url, { redirect: "error", signal });
  } catch (cause) {
    const code = signal.aborted ? "server_timeout" : "server_unreachable";
    throw new AffidavitError(code, `${url} cannot be read`, { cause });
  }
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new AffidavitError("server_error", `${url} answered ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > maxBytes) throw new AffidavitError("server_response_invalid", `${url} is too long`);
      parts.push(part);
    }
  } catch (cause) {
    if (cause instanceof AffidavitError) throw cause;
    throw new AffidavitError("server_unreachable", `${url} broke off`, { cause });
  }
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
