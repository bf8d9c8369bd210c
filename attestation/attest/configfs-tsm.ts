/**
 * Reports of a confidential VM by the kernel's configfs-tsm, Linux 6.7 and newer (Documentation/ABI/testing/configfs-tsm):
 * a folder is one report, its file `inblob` takes the report data in one write, `outblob` then gives the evidence, and
 * `generation` counts the writes, so that whoever reads can tell that nobody else wrote in between.
 *
 * One folder is kept for as long as the device is open: root makes it and hands its files to the vault's user, who could
 * not open them in a folder of its own making, since the kernel gives new ones to root.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, rmdirSync } from "node:fs";
import { chown, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { EvidenceType } from "../appraise/appraisal.ts";
import { CollectorError, collectorError, errnoOf } from "./collector-error.ts";
import {
  checkCollected,
  DEFAULT_TIMEOUT_MS,
  readToEnd,
  whileBusy,
  withinTime,
  type Collected,
  type CollectorOptions,
  type Owner,
  type QuoteDevice,
} from "./collector.ts";
import { snpTableCertificates } from "./snp-certificates.ts";

export const CONFIGFS_TSM = "configfs-tsm";
export const CONFIGFS_TSM_PATH = "/sys/kernel/config/tsm/report";

const PROVIDERS: ReadonlyMap<string, EvidenceType> = new Map([
  ["tdx_guest", "tdx"],
  ["sev_guest", "sev-snp"],
]);
const FILES = ["inblob", "outblob", "auxblob", "provider", "generation"];
/** The kernel's own bound on a blob is 32 KiB. */
const MAX_BLOB_BYTES = 64 * 1024;
const MAX_TEXT_BYTES = 64;
/** Times that somebody else's write is put up with. */
const MAX_CONFLICTS = 5;
const FOLDER = /^affidavit-([0-9]{1,10})-[0-9a-f]{8}$/;

async function readFileIn(folder: string, name: string, maxBytes: number): Promise<Uint8Array> {
  const file = await open(join(folder, name), "r");
  try {
    return await readToEnd(CONFIGFS_TSM, file, maxBytes);
  } finally {
    await file.close();
  }
}

async function readText(folder: string, name: string): Promise<string> {
  return Buffer.from(await readFileIn(folder, name, MAX_TEXT_BYTES))
    .toString("latin1")
    .trim();
}

async function readGeneration(folder: string): Promise<bigint> {
  const text = await readText(folder, "generation");
  if (!/^[0-9]{1,20}$/.test(text)) {
    throw new CollectorError(CONFIGFS_TSM, "reply_malformed", "generation is not a number");
  }
  return BigInt(text);
}

/** The report data must arrive whole: the kernel takes what one write brings for all of it. */
async function writeInblob(folder: string, reportData: Uint8Array): Promise<void> {
  const file = await open(join(folder, "inblob"), "w");
  try {
    const { bytesWritten } = await file.write(reportData, 0, reportData.length, null);
    if (bytesWritten !== reportData.length) {
      throw new CollectorError(CONFIGFS_TSM, "interface_failed", "inblob took a part of the report data");
    }
  } finally {
    await file.close();
  }
}

/** Empty where the kernel or the host offers none. */
async function readAuxblob(folder: string): Promise<Uint8Array> {
  try {
    return await readFileIn(folder, "auxblob", MAX_BLOB_BYTES);
  } catch (error) {
    if (["ENOENT", "ENXIO", "EOPNOTSUPP"].includes(errnoOf(error) ?? "")) return new Uint8Array(0);
    throw error;
  }
}

/** One report, read between two equal counts of writes. */
async function readReport(folder: string, reportData: Uint8Array): Promise<[Uint8Array, Uint8Array]> {
  for (let conflicts = 0; conflicts <= MAX_CONFLICTS; conflicts++) {
    const before = await readGeneration(folder);
    await whileBusy(() => writeInblob(folder, reportData));
    const outblob = await whileBusy(() => readFileIn(folder, "outblob", MAX_BLOB_BYTES));
    const auxblob = await readAuxblob(folder);
    if ((await readGeneration(folder)) === before + 1n) return [outblob, auxblob];
  }
  throw new CollectorError(CONFIGFS_TSM, "report_conflict", "somebody else keeps writing to the report");
}

/** Folders of ours whose process is gone: a killed vault leaves one behind. */
function removeStale(root: string): void {
  for (const name of readdirSync(root)) {
    const pid = FOLDER.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    removeQuietly(join(root, name));
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errnoOf(error) === "EPERM";
  }
}

function removeQuietly(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It is a few hundred bytes in the kernel; the next start tries again.
  }
}

async function handOver(root: string, folder: string, { uid, gid }: Owner): Promise<void> {
  // Its files too, and the root, without which the user could not remove the folder again.
  for (const name of FILES) {
    try {
      await chown(join(folder, name), uid, gid);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
  await chown(folder, uid, gid);
  await chown(root, uid, gid);
}

/** @throws CollectorError */
export async function openConfigfsTsm(options: CollectorOptions = {}): Promise<QuoteDevice> {
  const root = options.path ?? CONFIGFS_TSM_PATH;
  const folder = join(root, `affidavit-${process.pid}-${randomBytes(4).toString("hex")}`);
  try {
    removeStale(root);
    await whileBusy(() => mkdir(folder));
  } catch (error) {
    throw collectorError(CONFIGFS_TSM, `no report can be made in ${root}`, error);
  }
  const remove = (): void => removeQuietly(folder);
  process.once("exit", remove);
  const close = async (): Promise<void> => {
    process.removeListener("exit", remove);
    remove();
  };
  try {
    const provider = await readText(folder, "provider");
    const type = PROVIDERS.get(provider);
    if (type === undefined) {
      throw new CollectorError(CONFIGFS_TSM, "evidence_unsupported", `provider ${JSON.stringify(provider)}`);
    }
    if (options.owner) await handOver(root, folder, options.owner);
    return device(folder, type, options.timeoutMs ?? DEFAULT_TIMEOUT_MS, close);
  } catch (error) {
    await close();
    throw collectorError(CONFIGFS_TSM, "the report cannot be used", error);
  }
}

function device(
  folder: string,
  type: EvidenceType,
  timeoutMs: number,
  close: () => Promise<void>,
): QuoteDevice {
  // Two at once would count each other's writes.
  let last: Promise<unknown> = Promise.resolve();
  async function collectOne(reportData: Uint8Array): Promise<Collected> {
    try {
      const [quote, auxblob] = await readReport(folder, reportData);
      checkCollected(CONFIGFS_TSM, type, quote, reportData);
      return { quote, certificates: type === "sev-snp" ? snpTableCertificates(CONFIGFS_TSM, auxblob) : [] };
    } catch (error) {
      throw collectorError(CONFIGFS_TSM, "no report", error);
    }
  }
  return {
    type,
    collect(reportData) {
      const made = last.then(() => withinTime(CONFIGFS_TSM, timeoutMs, collectOne(reportData)));
      last = made.catch(() => undefined);
      return made;
    },
    close,
  };
}
