/** Collects an account's receipts of a span of time, and what checks them for ever, into one archive. */
import { concat, fromUtf8, toHex, utf8, type Json } from "../../codec/index.ts";
import { parseBundle, parseCheckpoint, parseKeyset, type ReceiptBundle } from "../../receipts/index.ts";
import { AffidavitError } from "../errors.ts";
import { httpSource } from "../monitor/index.ts";
import { Transport } from "../transport.ts";
import { fetchConsistency } from "./consistency.ts";
import { detach, type AuditHead } from "./layout.ts";
import { writeTar, type TarFile } from "./tar.ts";

export interface ExportOptions {
  url: string;
  apiKey: string | undefined;
  /** Unix milliseconds, inclusive and exclusive. */
  fromMs?: number | undefined;
  toMs?: number | undefined;
  nowMs: number;
  fetch?: typeof fetch;
  onProgress?: (receipts: number) => void;
}

const PAGE = 500;
const MAX_RECEIPTS = 50_000;

interface Entry {
  receiptId: string;
  leafIndex: string;
  issuedAtMs: string;
}

/**
 * @returns the archive, and how many receipts are in it
 * @throws AffidavitError
 */
export async function exportAudit(
  options: ExportOptions,
): Promise<{ archive: Uint8Array; receipts: number }> {
  const { url, apiKey, fromMs, toMs, nowMs } = options;
  const transport = new Transport({
    url,
    ...(apiKey !== undefined && { apiKey }),
    ...(options.fetch && { fetch: options.fetch }),
  });
  const source = httpSource(url, options.fetch);
  const entries = await listEntries(transport, fromMs ?? 0, toMs ?? Number.MAX_SAFE_INTEGER);
  if (entries.length === 0)
    throw new AffidavitError("request_rejected", "the account has no receipts of that span");
  const files = new Map<string, Uint8Array>();
  const sizes = new Set<bigint>();
  let log: { origin: string; publicKey: Uint8Array } | undefined;
  for (const { receiptId } of entries) {
    const text = await getText(transport, `/v1/receipts/${receiptId}?wait=inclusion`);
    const bundle = parseBundle(text);
    log ??= parseKeyset(bundle.keyset).log;
    for (const size of checkpointSizes(bundle)) sizes.add(size);
    addReceipt(files, receiptId, JSON.parse(text) as { [member: string]: Json });
    options.onProgress?.(files.size);
  }
  const checkpoint = await source.checkpoint();
  const { size: newest } = parseCheckpoint(checkpoint);
  for (const size of sizes) {
    if (size < newest)
      files.set(`consistency/${size}`, concat(...(await fetchConsistency(source, size, newest))));
  }
  const head: AuditHead = {
    formatVersion: 1,
    origin: log!.origin,
    logPublicKey: toHex(log!.publicKey),
    exportedAtMs: nowMs,
    fromMs: fromMs ?? null,
    toMs: toMs ?? null,
  };
  files.set("audit.json", utf8(`${JSON.stringify(head, null, 2)}\n`));
  files.set("checkpoint", utf8(checkpoint));
  files.set("revocations.json", utf8(await getText(transport, "/v1/revocations")));
  const sorted: TarFile[] = [...files]
    .map(([name, bytes]) => ({ name, bytes }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { archive: writeTar(sorted), receipts: entries.length };
}

async function getText(transport: Transport, path: string): Promise<string> {
  return fromUtf8((await transport.send(path, {})).body);
}

async function listEntries(transport: Transport, fromMs: number, toMs: number): Promise<Entry[]> {
  const found: Entry[] = [];
  let before = "";
  for (;;) {
    const text = await getText(transport, `/v1/receipts?limit=${PAGE}${before}`);
    const { receipts } = JSON.parse(text) as { receipts: Entry[] };
    found.push(
      ...receipts.filter(({ issuedAtMs }) => Number(issuedAtMs) >= fromMs && Number(issuedAtMs) < toMs),
    );
    if (found.length > MAX_RECEIPTS)
      throw new AffidavitError(
        "request_rejected",
        `more than ${MAX_RECEIPTS} receipts: export shorter spans`,
      );
    const last = receipts.at(-1);
    if (receipts.length < PAGE || !last) return found;
    before = `&before=${last.leafIndex}`;
  }
}

function addReceipt(
  files: Map<string, Uint8Array>,
  receiptId: string,
  bundle: { [member: string]: Json },
): void {
  const { receipt, keysetDigest, keyset, documents } = detach(bundle);
  files.set(`receipts/${receiptId}.json`, utf8(JSON.stringify(receipt)));
  const name = `keysets/${keysetDigest}.json`;
  if (!files.has(name)) files.set(name, utf8(JSON.stringify(keyset)));
  for (const [digest, text] of documents) files.set(`documents/${digest}`, utf8(text));
}

/** Sizes of all the checkpoints that a receipt rests on. */
export function checkpointSizes({ keysetLog, inclusion }: ReceiptBundle): bigint[] {
  const notes = [
    keysetLog.checkpoint,
    keysetLog.attestedCheckpoint,
    ...(inclusion ? [inclusion.checkpoint] : []),
  ];
  return notes.map((note) => parseCheckpoint(note).size);
}
