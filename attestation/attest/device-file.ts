/** A device that is asked by ioctl, one request at a time. */
import { open, type FileHandle } from "node:fs/promises";
import type { EvidenceType } from "../appraise/appraisal.ts";
import { CollectorError, collectorError } from "./collector-error.ts";
import {
  checkCollected,
  DEFAULT_TIMEOUT_MS,
  whileBusy,
  withinTime,
  type Collected,
  type CollectorOptions,
  type QuoteDevice,
} from "./collector.ts";
import { koffi } from "./native.ts";

/**
 * Opens the file, which root does before the vault takes its own user: that user then needs no right to the device.
 * @throws CollectorError
 */
export async function openDeviceFile(interfaceName: string, path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, "r+");
  } catch (error) {
    throw collectorError(interfaceName, `cannot open ${path}`, error);
  }
  try {
    await koffi();
    return file;
  } catch (cause) {
    await file.close();
    throw new CollectorError(
      interfaceName,
      "library_missing",
      "koffi, which calls the device, does not load",
      {
        cause,
      },
    );
  }
}

export interface DeviceFileOptions extends CollectorOptions {
  readonly interfaceName: string;
  readonly type: EvidenceType;
  readonly ask: (fd: number, reportData: Uint8Array) => Promise<Collected>;
}

export function deviceOf(file: FileHandle, options: DeviceFileOptions): QuoteDevice {
  const { interfaceName, type, ask, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  let last: Promise<unknown> = Promise.resolve();
  async function collectOne(reportData: Uint8Array): Promise<Collected> {
    try {
      const collected = await whileBusy(() => ask(file.fd, reportData));
      checkCollected(interfaceName, type, collected.quote, reportData);
      return collected;
    } catch (error) {
      throw collectorError(interfaceName, "the device gave no evidence", error);
    }
  }
  return {
    type,
    collect(reportData) {
      const made = last.then(() => withinTime(interfaceName, timeoutMs, collectOne(reportData)));
      last = made.catch(() => undefined);
      return made;
    },
    close: () => file.close(),
  };
}
