/**
 * What a witness cosigned last of one log: a folder of files `<sequence, 20 digits>.checkpoint`, of which the highest
 * counts. Each is written whole, flushed, and linked to its name, which only one writer can do; so two processes on one
 * folder cannot both go on from the same state, and a crash leaves the old state or the new one.
 */
import { createHash, randomUUID } from "node:crypto";
import { link, mkdir, open, readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { parseCheckpoint, ReceiptError, type SignedCheckpoint } from "../../receipts/index.ts";
import { WitnessError } from "./error.ts";

const NAME = /^([0-9]{20})\.checkpoint$/;
const MAX_EVIDENCE = 64;

export interface HeldCheckpoint extends SignedCheckpoint {
  sequence: bigint;
  /** The signed note as it was submitted. */
  text: string;
}

function nameOf(sequence: bigint): string {
  return `${sequence.toString().padStart(20, "0")}.checkpoint`;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function writeFlushed(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

export class LogState {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws WitnessError `state_unwritable` */
  static async open(directory: string, origin: string): Promise<LogState> {
    const folder = join(directory, createHash("sha256").update(origin).digest("hex"));
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await syncDirectory(directory);
    } catch (error) {
      throw new WitnessError("state_unwritable", "the state folder cannot be made", { cause: error });
    }
    return new LogState(folder);
  }

  async #sequences(): Promise<bigint[]> {
    const names = await readdir(this.#folder);
    const found = names.flatMap((name) => NAME.exec(name)?.[1] ?? []).map(BigInt);
    return found.sort((a, b) => (a < b ? 1 : a > b ? -1 : 0));
  }

  /** @throws WitnessError `state_invalid`: a witness that forgot what it signed must not sign */
  async held(): Promise<HeldCheckpoint | undefined> {
    for (;;) {
      const [newest] = await this.#sequences();
      if (newest === undefined) return undefined;
      try {
        const text = await readFile(join(this.#folder, nameOf(newest)), "utf8");
        return { ...parseCheckpoint(text), sequence: newest, text };
      } catch (error) {
        // Removed between the two calls: another process went on, and a higher one is there.
        if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
        if (error instanceof ReceiptError)
          throw new WitnessError("state_invalid", "the state file is damaged", { cause: error });
        throw error;
      }
    }
  }

  /** Makes `text` the held checkpoint after `previous`, on disk. @returns false where another process was first */
  async advance(previous: bigint | undefined, text: string): Promise<boolean> {
    const next = (previous ?? 0n) + 1n;
    const target = join(this.#folder, nameOf(next));
    const temporary = join(this.#folder, `${randomUUID()}.new`);
    await writeFlushed(temporary, text);
    try {
      await link(temporary, target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    } finally {
      await unlink(temporary);
    }
    const [newest, ...older] = await this.#sequences();
    // Whoever was far ahead may have removed the file of this number already: then this one is late.
    if (newest !== next) {
      await unlink(target);
      return false;
    }
    await syncDirectory(this.#folder);
    for (const sequence of older) await unlink(join(this.#folder, nameOf(sequence))).catch(() => undefined);
    return true;
  }

  /** Keeps a submission that shows a log's misbehaviour: signed by the log, inconsistent with what is held. */
  async keepEvidence(text: string): Promise<void> {
    const kept = (await readdir(this.#folder)).filter((name) => name.endsWith(".evidence"));
    if (kept.length >= MAX_EVIDENCE) return;
    const digest = createHash("sha256").update(text).digest("hex").slice(0, 32);
    await writeFlushed(join(this.#folder, `${digest}.evidence`), text).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      },
    );
  }
}
