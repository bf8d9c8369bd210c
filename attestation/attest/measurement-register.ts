/**
 * A register of the TEE that software extends while it runs. On TDX the kernel gives RTMR3 as a file (Linux 6.16,
 * Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest): 48 bytes read are its value, 48 bytes written at once
 * extend it, to SHA-384 of value and what was written.
 */
import { access, open, type FileHandle } from "node:fs/promises";
import { equal, sha384 } from "../../codec/index.ts";
import { CollectorError, collectorError } from "./collector-error.ts";
import { DEFAULT_TIMEOUT_MS, whileBusy, withinTime } from "./collector.ts";
import { DSTACK_PATHS } from "./dstack.ts";

export const RTMR3 = "rtmr3";
export const RTMR3_PATH = "/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384";
const BYTES = 48;

export interface MeasurementRegister {
  /** 48 bytes. @throws CollectorError */
  read(): Promise<Uint8Array>;
  /**
   * @param digest 48 bytes
   * @throws CollectorError `report_conflict` where the register does not hold what follows: somebody else extends it too
   */
  extend(digest: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/**
 * Whether the register is this program's to extend: in a dstack guest every quote's RTMR3 must follow from the guest agent's
 * own log.
 * @throws CollectorError `evidence_unsupported`
 */
export async function checkNobodysRegister(sockets: readonly string[] = DSTACK_PATHS): Promise<void> {
  const found = await Promise.all(
    sockets.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  if (found.includes(true)) {
    throw new CollectorError(RTMR3, "evidence_unsupported", "it is dstack's guest agent that extends it");
  }
}

async function readValue(file: FileHandle): Promise<Uint8Array> {
  const value = new Uint8Array(BYTES + 1);
  const { bytesRead } = await file.read(value, 0, value.length, 0);
  if (bytesRead !== BYTES) {
    throw new CollectorError(RTMR3, "reply_malformed", `a register of ${bytesRead} bytes`);
  }
  return value.slice(0, BYTES);
}

/** Whole or not at all: a second write would extend the register again. */
async function writeDigest(file: FileHandle, digest: Uint8Array): Promise<void> {
  const { bytesWritten } = await file.write(digest, 0, digest.length, 0);
  if (bytesWritten !== digest.length) {
    throw new CollectorError(RTMR3, "interface_failed", "the register took a part of the digest");
  }
}

/**
 * Opens the register, which root does before the vault takes its own user.
 * @throws CollectorError `interface_absent` where the kernel offers none, `permission_denied`
 */
export async function openRtmr3(
  path: string = RTMR3_PATH,
  timeoutMs: number = DEFAULT_TIMEOUT_MS,
): Promise<MeasurementRegister> {
  const file = await open(path, "r+").catch((error: unknown) => {
    throw collectorError(RTMR3, `cannot open ${path}`, error);
  });
  const bounded = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await withinTime(RTMR3, timeoutMs, whileBusy(work));
    } catch (error) {
      throw collectorError(RTMR3, what, error);
    }
  };
  const read = (): Promise<Uint8Array> => bounded("the register cannot be read", () => readValue(file));
  return {
    read,
    async extend(digest) {
      if (digest.length !== BYTES)
        throw new CollectorError(RTMR3, "interface_failed", "a digest has 48 bytes");
      const before = await read();
      await bounded("the register cannot be extended", () => writeDigest(file, digest));
      if (!equal(await read(), sha384(before, digest))) {
        throw new CollectorError(RTMR3, "report_conflict", "somebody else extends the register too");
      }
    },
    close: () => file.close(),
  };
}

/** Whether this user may extend RTMR3; its value is read, and left as it is. @throws CollectorError why not */
export async function inspectRegister(path?: string, timeoutMs?: number): Promise<void> {
  if (path === undefined) await checkNobodysRegister();
  const register = await openRtmr3(path, timeoutMs);
  try {
    await register.read();
  } finally {
    await register.close();
  }
}

/** The simulated TD's, in memory. */
export class SimulatedRegister implements MeasurementRegister {
  value: Uint8Array = new Uint8Array(BYTES);

  async read(): Promise<Uint8Array> {
    return this.value;
  }

  async extend(digest: Uint8Array): Promise<void> {
    this.value = sha384(this.value, digest);
  }

  async close(): Promise<void> {}
}
