/**
 * NVIDIA GPUs by NVML (nvml.h of driver 525 and newer): whether they are in confidential mode, their attestation reports
 * and certificate chains. The library is opened by name; nothing in what it gives is verified here.
 */
import { CollectorError } from "./collector-error.ts";
import { koffi } from "./native.ts";

export const NVML = "nvml";
const LIBRARY = "libnvidia-ml.so.1";
const MAX_GPUS = 64;

/** nvmlReturn_t values that mean something of their own. */
const SUCCESS = 0;
const NOT_SUPPORTED = 3;
const NO_PERMISSION = 4;
const DRIVER_NOT_LOADED = 9;
const TIMEOUT = 10;
const IN_USE = 19;

/** nvmlConfComputeGpuCertificate_t: two lengths (4 bytes each), two chains of fixed room. */
const CERTIFICATE = { room: 0x1000, attestationRoom: 0x1400 } as const;
/** nvmlConfComputeGpuAttestationReport_t: flag, two lengths (4 bytes each), nonce (32), two reports of fixed room. */
const REPORT = { head: 12, nonce: 32, room: 0x2000, cecRoom: 0x1000 } as const;

type Call = (...parameters: unknown[]) => number;
interface Library {
  call(name: string, signature: string, ...parameters: unknown[]): Promise<number>;
}

export interface GpuState {
  readonly driverVersion: string;
  /** Whether the system's GPUs are in confidential mode; undefined where the driver cannot say. */
  readonly confidential: boolean | undefined;
  /** Whether debugging tools may look into the confidential GPUs. */
  readonly devTools: boolean | undefined;
  readonly gpus: readonly { readonly name: string; readonly uuid: string }[];
}

export interface GpuEvidence {
  readonly uuid: string;
  /** SPDM request and response, as `nvidia-gpu` evidence has them. */
  readonly report: Uint8Array;
  /** PEM, leaf first. */
  readonly certificateChain: string;
}

function fault(name: string, result: number): CollectorError {
  const codes = new Map([
    [NOT_SUPPORTED, "interface_absent"],
    [DRIVER_NOT_LOADED, "interface_absent"],
    [NO_PERMISSION, "permission_denied"],
    [TIMEOUT, "interface_timed_out"],
    [IN_USE, "interface_busy"],
  ] as const);
  return new CollectorError(NVML, codes.get(result as 3) ?? "interface_failed", `${name} gave ${result}`);
}

async function openLibrary(path: string): Promise<Library> {
  const native = await koffi().catch((cause: unknown) => {
    throw new CollectorError(NVML, "library_missing", "koffi does not load", { cause });
  });
  let library: ReturnType<typeof native.load>;
  try {
    library = native.load(path);
  } catch (cause) {
    throw new CollectorError(NVML, "interface_absent", `${path} does not load: no NVIDIA driver here`, {
      cause,
    });
  }
  const functions = new Map<string, { async: Call }>();
  return {
    call(name, signature, ...parameters) {
      let found = functions.get(name);
      if (!found) {
        try {
          found = library.func(`int ${name}(${signature})`) as unknown as { async: Call };
        } catch (cause) {
          const message = `this driver has no ${name}`;
          return Promise.reject(new CollectorError(NVML, "interface_absent", message, { cause }));
        }
        functions.set(name, found);
      }
      const called = found;
      return new Promise((resolve, reject) => {
        called.async(...parameters, (error: unknown, result: number) =>
          error === null ? resolve(result) : reject(error as Error),
        );
      });
    },
  };
}

async function must(library: Library, name: string, signature: string, ...parameters: unknown[]) {
  const result = await library.call(name, signature, ...parameters);
  if (result !== SUCCESS) throw fault(name, result);
}

function text(buffer: Buffer): string {
  const end = buffer.indexOf(0);
  return buffer.toString("latin1", 0, end < 0 ? buffer.length : end);
}

async function textOf(library: Library, name: string, handle: bigint, byteLength: number): Promise<string> {
  const buffer = Buffer.alloc(byteLength);
  await must(library, name, "uintptr_t, void *, uint", handle, buffer, byteLength);
  return text(buffer);
}

async function handles(library: Library): Promise<bigint[]> {
  const count = Buffer.alloc(4);
  await must(library, "nvmlDeviceGetCount_v2", "void *", count);
  const found: bigint[] = [];
  const total = count.readUInt32LE(0);
  // A list without some of them would not be of every GPU.
  if (total > MAX_GPUS) throw new CollectorError(NVML, "reply_malformed", `more than ${MAX_GPUS} GPUs`);
  for (let index = 0; index < total; index++) {
    const handle = Buffer.alloc(8);
    await must(library, "nvmlDeviceGetHandleByIndex_v2", "uint, void *", index, handle);
    found.push(handle.readBigUInt64LE(0));
  }
  return found;
}

/** Runs between nvmlInit and nvmlShutdown, which count their callers. */
async function withNvml<T>(path: string, work: (library: Library) => Promise<T>): Promise<T> {
  const library = await openLibrary(path);
  await must(library, "nvmlInit_v2", "");
  try {
    return await work(library);
  } finally {
    await library.call("nvmlShutdown", "");
  }
}

/** What is there. @throws CollectorError `interface_absent` without a driver */
export async function gpuState(path = LIBRARY): Promise<GpuState> {
  return await withNvml(path, async (library) => {
    const version = Buffer.alloc(80);
    await must(library, "nvmlSystemGetDriverVersion", "void *, uint", version, version.length);
    const gpus = [];
    for (const handle of await handles(library)) {
      gpus.push({
        name: await textOf(library, "nvmlDeviceGetName", handle, 96),
        uuid: await textOf(library, "nvmlDeviceGetUUID", handle, 80),
      });
    }
    // nvmlConfComputeSystemState_t: environment, feature, developer tools.
    const state = Buffer.alloc(12);
    const known = await confidentialState(library, state);
    return {
      driverVersion: text(version),
      confidential: known ? state.readUInt32LE(4) === 1 : undefined,
      devTools: known ? state.readUInt32LE(8) === 1 : undefined,
      gpus,
    };
  });
}

async function confidentialState(library: Library, state: Buffer): Promise<boolean> {
  try {
    await must(library, "nvmlSystemGetConfComputeState", "void *", state);
    return true;
  } catch (error) {
    if (error instanceof CollectorError && error.code === "interface_absent") return false;
    throw error;
  }
}

async function reportOf(library: Library, handle: bigint, nonce: Uint8Array): Promise<Uint8Array> {
  const buffer = Buffer.alloc(REPORT.head + REPORT.nonce + REPORT.room + REPORT.cecRoom);
  buffer.set(nonce, REPORT.head);
  await must(library, "nvmlDeviceGetConfComputeGpuAttestationReport", "uintptr_t, void *", handle, buffer);
  const byteLength = buffer.readUInt32LE(4);
  if (byteLength === 0 || byteLength > REPORT.room) {
    throw new CollectorError(NVML, "reply_malformed", `a report of ${byteLength} bytes`);
  }
  const at = REPORT.head + REPORT.nonce;
  const report = new Uint8Array(buffer.subarray(at, at + byteLength));
  // The nonce stands behind four bytes of the SPDM request.
  if (!buffer.subarray(at + 4, at + 36).equals(nonce)) {
    throw new CollectorError(NVML, "reply_malformed", "the report is over another nonce");
  }
  return report;
}

async function chainOf(library: Library, handle: bigint): Promise<string> {
  const buffer = Buffer.alloc(8 + CERTIFICATE.room + CERTIFICATE.attestationRoom);
  await must(library, "nvmlDeviceGetConfComputeGpuCertificate", "uintptr_t, void *", handle, buffer);
  const byteLength = buffer.readUInt32LE(4);
  if (byteLength === 0 || byteLength > CERTIFICATE.attestationRoom) {
    throw new CollectorError(NVML, "reply_malformed", `a certificate chain of ${byteLength} bytes`);
  }
  const at = 8 + CERTIFICATE.room;
  return buffer.toString("latin1", at, at + byteLength);
}

/**
 * A report of every GPU over one nonce: all, or none.
 * @param nonce 32 bytes
 * @throws CollectorError
 */
export async function collectGpuEvidence(nonce: Uint8Array, path = LIBRARY): Promise<GpuEvidence[]> {
  if (nonce.length !== 32) throw new CollectorError(NVML, "interface_failed", "a GPU's nonce has 32 bytes");
  return await withNvml(path, async (library) => {
    const collected: GpuEvidence[] = [];
    for (const handle of await handles(library)) {
      collected.push({
        uuid: await textOf(library, "nvmlDeviceGetUUID", handle, 80),
        report: await reportOf(library, handle, nonce),
        certificateChain: await chainOf(library, handle),
      });
    }
    if (collected.length === 0) throw new CollectorError(NVML, "interface_absent", "no GPU is there");
    return collected;
  });
}

/** Evidence as NVIDIA's SDK lists it, which `nvidia-gpu` appraisal reads. */
export function gpuEvidenceList(evidence: readonly GpuEvidence[], nonce: Uint8Array): string {
  return JSON.stringify(
    evidence.map(({ report, certificateChain }) => ({
      certificate: Buffer.from(certificateChain, "latin1").toString("base64"),
      evidence: Buffer.from(report).toString("base64"),
      nonce: Buffer.from(nonce).toString("hex"),
    })),
  );
}
