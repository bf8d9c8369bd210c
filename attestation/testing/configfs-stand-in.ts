/** configfs-tsm by the kernel's rules (drivers/virt/coco/tsm.c): writes are counted, and a blob is made when it is read. */
import { basename, dirname } from "node:path";
import type { Answer, OpenFile, StandIn } from "./tee-stand-in.ts";

export interface ConfigfsFaults {
  /** Reads of outblob that answer EBUSY first. */
  busyReads?: number;
  /** Reports in which somebody else writes between our write and our reading of `generation`. */
  foreignWrites?: number;
  /** Bytes of the evidence that are given. */
  cutTo?: number;
  /** The most that one read gives. */
  readBytes?: number;
  /** What a write of inblob takes. */
  writeTakes?: number;
  mkdir?: Answer;
  outblob?: Answer;
}

export interface ConfigfsOptions extends ConfigfsFaults {
  provider: string;
  /** Evidence over report data. */
  evidence: (reportData: Uint8Array) => Uint8Array;
  auxblob?: Uint8Array;
}

interface Report {
  generation: number;
  inblob: Uint8Array | undefined;
}

export class ConfigfsStandIn implements StandIn {
  readonly reports = new Map<string, Report>();
  readonly #options: ConfigfsOptions;

  constructor(options: ConfigfsOptions) {
    this.#options = options;
  }

  mkdir(path: string): Answer {
    if (this.#options.mkdir) return this.#options.mkdir;
    if (this.reports.has(path)) return { errno: "EEXIST" };
    this.reports.set(path, { generation: 0, inblob: undefined });
    return {};
  }

  rmdir(path: string): Answer {
    return this.reports.delete(path) ? {} : { errno: "ENOENT" };
  }

  open(path: string): OpenFile | Answer {
    const report = this.reports.get(dirname(path));
    if (!report) return { errno: "ENOENT" };
    const { provider, auxblob } = this.#options;
    const name = basename(path);
    if (name === "inblob") return this.#inblob(report);
    if (name === "outblob") return this.#outblob(report);
    if (name === "provider") return this.#content(() => Buffer.from(`${provider}\n`));
    if (name === "generation") return this.#content(() => Buffer.from(`${report.generation}\n`));
    if (name === "auxblob" && auxblob) return this.#content(() => auxblob);
    return { errno: "ENOENT" };
  }

  #content(make: () => Uint8Array): OpenFile {
    let content: Uint8Array | undefined;
    let at = 0;
    return {
      read: (byteLength) => {
        content ??= make();
        const bytes = content.slice(at, at + Math.min(byteLength, this.#options.readBytes ?? byteLength));
        at += bytes.length;
        return { bytes };
      },
    };
  }

  /** One write; what it brought counts when the file is closed. */
  #inblob(report: Report): OpenFile {
    const parts: Buffer[] = [];
    return {
      write: (bytes) => {
        if (parts.length > 0) return { errno: "EINVAL" };
        const taken = Buffer.from(bytes.subarray(0, this.#options.writeTakes ?? bytes.length));
        parts.push(taken);
        return { value: taken.length };
      },
      close: () => {
        report.inblob = new Uint8Array(Buffer.concat(parts));
        report.generation++;
      },
    };
  }

  #outblob(report: Report): OpenFile {
    const faults = this.#options;
    if (faults.busyReads) {
      faults.busyReads--;
      return { read: () => ({ errno: "EBUSY" }) };
    }
    if (faults.outblob) return { read: () => faults.outblob! };
    if (report.inblob?.length !== 64) return { read: () => ({ errno: "EINVAL" }) };
    if (faults.foreignWrites) {
      faults.foreignWrites--;
      report.generation++;
      return this.#content(() => faults.evidence(new Uint8Array(64).fill(0xee)));
    }
    const { inblob } = report;
    return this.#content(() => faults.evidence(inblob).slice(0, faults.cutTo));
  }
}
