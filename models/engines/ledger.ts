/**
 * One number that outlives a host's death: the run it began last. The host writes it before each native call into a
 * file that both have open and no name leads to; after the host is gone the pool reads which run killed it, and so
 * which runs had not begun. Cheaper than a message a run, and never held back behind a native call.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const EMPTY = 0;

/** The pool's end. */
export class Ledger {
  /** To be passed on to the host; close it with `close`. */
  readonly fd: number;

  constructor() {
    const directory = mkdtempSync(join(tmpdir(), "affidavit-"));
    try {
      this.fd = openSync(join(directory, "ledger"), "wx+", 0o600);
    } finally {
      // The open file lives on; no name is left that another process could find.
      rmSync(directory, { recursive: true, force: true });
    }
    writeLedger(this.fd, EMPTY);
  }

  /** The run that the host began last; 0 before the first, and where the host wrote something else. */
  read(): number {
    const bytes = Buffer.alloc(8);
    const count = readSync(this.fd, bytes, 0, 8, 0);
    const run = bytes.readDoubleLE(0);
    return count === 8 && Number.isSafeInteger(run) && run > 0 ? run : EMPTY;
  }

  close(): void {
    closeSync(this.fd);
  }
}

const scratch = Buffer.alloc(8);

/** The host's end: notes that `run` begins. */
export function writeLedger(fd: number, run: number): void {
  scratch.writeDoubleLE(run, 0);
  writeSync(fd, scratch, 0, 8, 0);
}
