/**
 * Memory that stays where it is and ioctl(2), by koffi, which is loaded at the first use: a client without it still has
 * everything that needs no device.
 */
import { createRequire } from "node:module";
import { getSystemErrorName } from "node:util";

type Koffi = (typeof import("koffi"))["default"];

let loaded: Koffi | undefined;

/** By name at run time: whoever has the client alone installs no native code. @throws Error where it is not installed */
export async function koffi(): Promise<Koffi> {
  loaded ??= createRequire(import.meta.url)("koffi") as Koffi;
  return loaded;
}

export interface NativeMemory {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  /** Only once nobody writes to it any more. */
  free(): void;
}

/** Zeroed memory outside the heap. */
export async function allocate(byteLength: number): Promise<NativeMemory> {
  const library = await koffi();
  const pointer: unknown = library.alloc("uint8_t", byteLength);
  const bytes = new Uint8Array(library.view(pointer, byteLength));
  bytes.fill(0);
  return { address: library.address(pointer), bytes, free: () => library.free(pointer) };
}

/** As failed calls of `node:fs` look. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  /** Such as `EBUSY`. */
  readonly code: string;
  constructor(call: string, errno: number) {
    const code = getSystemErrorName(-errno);
    super(`${call}: ${code}`);
    this.code = code;
  }
}

type Ioctl = (fd: number, request: number, argument: bigint) => Promise<void>;
let ioctlFunction: Promise<Ioctl> | undefined;

async function loadIoctl(): Promise<Ioctl> {
  const library = await koffi();
  const call = library.load(null).func("int ioctl(int, ulong, uintptr_t)");
  return (fd, request, argument) =>
    new Promise((resolve, reject) => {
      call.async(fd, request, argument, (error: unknown, result: number) => {
        // Right here it is still this call's; a turn later it is not.
        const errno = library.errno();
        if (error !== null) reject(error as Error);
        else if (result < 0) reject(new SystemCallError("ioctl", errno));
        else resolve();
      });
    });
}

/** On a thread of its own: a device may keep its caller for seconds. @throws SystemCallError */
export async function ioctl(fd: number, request: number, argument: bigint): Promise<void> {
  ioctlFunction ??= loadIoctl();
  await (
    await ioctlFunction
  )(fd, request, argument);
}

/** The number of an ioctl that reads and writes its argument: asm-generic/ioctl.h, as x86 and arm64 have it. */
export function ioctlNumber(type: number, number: number, argumentBytes: number): number {
  return 3 * 2 ** 30 + argumentBytes * 2 ** 16 + type * 2 ** 8 + number;
}
