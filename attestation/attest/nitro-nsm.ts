/**
 * Attestation documents by the Nitro Secure Module, `/dev/nsm` (include/uapi/linux/nsm.h; AWS's aws-nitro-enclaves-nsm-api
 * describes the messages): CBOR both ways, in buffers that the ioctl names by address and length.
 */
import { CborError, decodeCbor, encodeCbor, type CborValue } from "../../codec/index.ts";
import { CollectorError } from "./collector-error.ts";
import type { Collected, CollectorOptions, QuoteDevice } from "./collector.ts";
import { deviceOf, openDeviceFile } from "./device-file.ts";
import { allocate, ioctl, ioctlNumber } from "./native.ts";

export const NITRO_NSM = "nitro";
export const NITRO_NSM_PATH = "/dev/nsm";

/** nsm_raw: request and response, each an address and a length of 8 bytes. */
const RAW_BYTES = 32;
export const NSM_IOCTL_RAW = ioctlNumber(0x0a, 0, RAW_BYTES);
const MAX_REQUEST_BYTES = 0x1000;
const RESPONSE_BYTES = 0x3000;

/** @throws CollectorError */
export async function openNitroNsm(options: CollectorOptions = {}): Promise<QuoteDevice> {
  const file = await openDeviceFile(NITRO_NSM, options.path ?? NITRO_NSM_PATH);
  return deviceOf(file, { ...options, interfaceName: NITRO_NSM, type: "nitro", ask });
}

async function ask(fd: number, reportData: Uint8Array): Promise<Collected> {
  const request = encodeCbor(
    new Map([
      [
        "Attestation",
        new Map<string, CborValue>([
          ["user_data", reportData],
          ["nonce", null],
          ["public_key", null],
        ]),
      ],
    ]),
  );
  return { quote: documentIn(await exchange(fd, request)), certificates: [] };
}

async function exchange(fd: number, request: Uint8Array): Promise<Uint8Array> {
  const responseAt = RAW_BYTES + MAX_REQUEST_BYTES;
  const memory = await allocate(responseAt + RESPONSE_BYTES);
  try {
    const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset, memory.bytes.length);
    memory.bytes.set(request, RAW_BYTES);
    view.setBigUint64(0, memory.address + BigInt(RAW_BYTES), true);
    view.setBigUint64(8, BigInt(request.length), true);
    view.setBigUint64(16, memory.address + BigInt(responseAt), true);
    view.setBigUint64(24, BigInt(RESPONSE_BYTES), true);
    await ioctl(fd, NSM_IOCTL_RAW, memory.address);
    const byteLength = view.getBigUint64(24, true);
    if (byteLength > BigInt(RESPONSE_BYTES)) {
      throw new CollectorError(NITRO_NSM, "reply_malformed", "the response is longer than its buffer");
    }
    return memory.bytes.slice(responseAt, responseAt + Number(byteLength));
  } finally {
    memory.free();
  }
}

function member(value: CborValue | undefined, name: string): CborValue | undefined {
  return value instanceof Map ? value.get(name) : undefined;
}

function documentIn(response: Uint8Array): Uint8Array {
  let value: CborValue;
  try {
    value = decodeCbor(response);
  } catch (cause) {
    if (!(cause instanceof CborError)) throw cause;
    throw new CollectorError(NITRO_NSM, "reply_malformed", `the response: ${cause.message}`, { cause });
  }
  const refusal = member(value, "Error");
  if (typeof refusal === "string") {
    throw new CollectorError(NITRO_NSM, "interface_failed", `the module refused: ${refusal.slice(0, 64)}`);
  }
  const document = member(member(value, "Attestation"), "document");
  if (!(document instanceof Uint8Array)) {
    throw new CollectorError(NITRO_NSM, "reply_malformed", "the response holds no document");
  }
  return document;
}
