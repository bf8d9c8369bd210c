/** What every collector shares: its shape, time limits, bounded reads, and a look at what came out. */
import type { FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { equal } from "../../codec/index.ts";
import type { EvidenceType } from "../appraise/appraisal.ts";
import { AttestationError } from "../error.ts";
import { parseQuote } from "../parse/dcap.ts";
import { parseDstack } from "../parse/dstack.ts";
import { parseNitroDocument } from "../parse/nitro.ts";
import { parseSnpReport } from "../parse/sev-snp.ts";
import { CollectorError, isBusy } from "./collector-error.ts";

/** Evidence and, on some interfaces, the certificates that the host put beside it. Not verified. */
export interface Collected {
  readonly quote: Uint8Array;
  /** DER, as the host gave them: SEV-SNP's VCEK or VLEK and its authorities. */
  readonly certificates: readonly Uint8Array[];
}

/** An open interface to one TEE. */
export interface QuoteDevice {
  readonly type: EvidenceType;
  /** @param reportData 64 bytes @throws CollectorError */
  collect(reportData: Uint8Array): Promise<Collected>;
  /** Gives back what was opened; does not fail. */
  close(): Promise<void>;
}

/** The user that will ask for evidence, where root opens the interface for it. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface CollectorOptions {
  /** Where the interface is, in place of its own path. */
  readonly path?: string | undefined;
  readonly owner?: Owner | undefined;
  /** For one attempt at one piece of evidence (20,000). */
  readonly timeoutMs?: number | undefined;
}

export const DEFAULT_TIMEOUT_MS = 20_000;
const BUSY_ATTEMPTS = 6;
const FIRST_WAIT_MS = 20;

/** @throws CollectorError `interface_timed_out`; the work itself goes on, for a system call cannot be called back */
export async function withinTime<T>(interfaceName: string, timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new CollectorError(interfaceName, "interface_timed_out", `no answer in ${timeoutMs} ms`);
    timer = setTimeout(() => reject(error), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Tries again, ever more slowly, while the interface is busy. */
export async function whileBusy<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isBusy(error) || tries === BUSY_ATTEMPTS) throw error;
      await sleep(FIRST_WAIT_MS * 2 ** tries);
    }
  }
}

/** A file to its end, whatever size it claims. @throws CollectorError `reply_malformed` above `maxBytes` */
export async function readToEnd(
  interfaceName: string,
  file: FileHandle,
  maxBytes: number,
): Promise<Uint8Array> {
  const buffer = new Uint8Array(maxBytes + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
    if (bytesRead === 0) return buffer.slice(0, length);
    length += bytesRead;
    if (length > maxBytes) {
      throw new CollectorError(interfaceName, "reply_malformed", `more than ${maxBytes} bytes`);
    }
  }
}

function reportDataOf(type: EvidenceType, quote: Uint8Array): Uint8Array {
  if (type === "tdx") return parseQuote(quote).body.reportData;
  if (type === "sev-snp") return parseSnpReport(quote).reportData;
  if (type === "nitro") return parseNitroDocument(quote).userData ?? new Uint8Array(0);
  const dstack = parseDstack(quote);
  return reportDataOf(dstack.platform, dstack.quote);
}

/**
 * Refuses what is cut short or stale before it leaves: a verifier would too, but later and elsewhere. Proves nothing.
 * @throws CollectorError `reply_malformed`
 */
export function checkCollected(
  interfaceName: string,
  type: EvidenceType,
  quote: Uint8Array,
  reportData: Uint8Array,
): void {
  let found: Uint8Array;
  try {
    found = reportDataOf(type, quote);
  } catch (cause) {
    if (!(cause instanceof AttestationError)) throw cause;
    throw new CollectorError(interfaceName, "reply_malformed", cause.message, { cause });
  }
  if (!equal(found, reportData)) {
    throw new CollectorError(interfaceName, "reply_malformed", "the evidence is over other report data");
  }
}
