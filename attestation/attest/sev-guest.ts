/**
 * SEV-SNP reports by `/dev/sev-guest` (Linux 5.19 and newer, include/uapi/linux/sev-guest.h): the extended report, which
 * brings the host's certificates, and the plain one where the host refuses that. All integers are little-endian.
 */
import { CollectorError, errnoOf } from "./collector-error.ts";
import type { Collected, CollectorOptions, QuoteDevice } from "./collector.ts";
import { deviceOf, openDeviceFile } from "./device-file.ts";
import { allocate, ioctl, ioctlNumber, type NativeMemory } from "./native.ts";
import { snpTableCertificates } from "./snp-certificates.ts";

export const SEV_GUEST = "sev-guest";
export const SEV_GUEST_PATH = "/dev/sev-guest";

/** snp_guest_request_ioctl: version, address of the request, address of the response, error: 8 bytes each. */
const REQUEST_BYTES = 32;
const TYPE = 0x53;
export const SNP_GET_REPORT = ioctlNumber(TYPE, 0, REQUEST_BYTES);
export const SNP_GET_EXT_REPORT = ioctlNumber(TYPE, 2, REQUEST_BYTES);

/** snp_report_req: report data (64), VMPL (4), zeros (28); snp_ext_report_req adds address (8) and length (4). */
const REPORT_REQUEST_BYTES = 96;
const EXTENDED_REQUEST_BYTES = 112;
/** MSG_REPORT_RSP: status (4), size (4), zeros (24), report. */
const RESPONSE_BYTES = 4000;
const RESPONSE_HEAD_BYTES = 32;
const REPORT_BYTES = 1184;
/** Whole pages, as the driver wants; its own limit. */
const CERTIFICATES_BYTES = 16_384;
const VMM_INVALID_LENGTH = 1;
const VMM_BUSY = 2;

/** Where the parts of one request lie, one behind the other on a page of its own. */
const AT = { ioctl: 0, request: 64, response: 256, certificates: 8192 };
const MEMORY_BYTES = AT.certificates + CERTIFICATES_BYTES + 4096;

/** @throws CollectorError */
export async function openSevGuest(options: CollectorOptions = {}): Promise<QuoteDevice> {
  const file = await openDeviceFile(SEV_GUEST, options.path ?? SEV_GUEST_PATH);
  return deviceOf(file, { ...options, interfaceName: SEV_GUEST, type: "sev-snp", ask });
}

async function ask(fd: number, reportData: Uint8Array): Promise<Collected> {
  const memory = await allocate(MEMORY_BYTES);
  try {
    const certificates = await askExtended(fd, memory, reportData);
    if (certificates !== undefined) return { quote: reportIn(memory), certificates };
    memory.bytes.fill(0);
    await request(fd, SNP_GET_REPORT, memory, reportData);
    return { quote: reportIn(memory), certificates: [] };
  } finally {
    memory.free();
  }
}

/** The certificates, with the report in memory; undefined where the host cannot give the extended report. */
async function askExtended(
  fd: number,
  memory: NativeMemory,
  reportData: Uint8Array,
): Promise<Uint8Array[] | undefined> {
  const view = viewOf(memory);
  // The driver wants the address of a page.
  const page = Number((4096n - ((memory.address + BigInt(AT.certificates)) % 4096n)) % 4096n);
  const certificatesAt = AT.certificates + page;
  view.setBigUint64(AT.request + REPORT_REQUEST_BYTES, memory.address + BigInt(certificatesAt), true);
  view.setUint32(AT.request + REPORT_REQUEST_BYTES + 8, CERTIFICATES_BYTES, true);
  try {
    await request(fd, SNP_GET_EXT_REPORT, memory, reportData);
  } catch (error) {
    const tooSmall = view.getUint32(AT.ioctl + 28, true) === VMM_INVALID_LENGTH;
    if (tooSmall || ["ENOTTY", "EOPNOTSUPP", "ENOSPC"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
  const table = memory.bytes.slice(certificatesAt, certificatesAt + CERTIFICATES_BYTES);
  return snpTableCertificates(SEV_GUEST, table);
}

async function request(
  fd: number,
  number: number,
  memory: NativeMemory,
  reportData: Uint8Array,
): Promise<void> {
  const view = viewOf(memory);
  memory.bytes.set(reportData, AT.request);
  view.setUint8(AT.ioctl, 1);
  view.setBigUint64(AT.ioctl + 8, memory.address + BigInt(AT.request), true);
  view.setBigUint64(AT.ioctl + 16, memory.address + BigInt(AT.response), true);
  try {
    await ioctl(fd, number, memory.address);
  } catch (error) {
    const firmware = view.getUint32(AT.ioctl + 24, true);
    const host = view.getUint32(AT.ioctl + 28, true);
    if (host === VMM_BUSY) throw Object.assign(new Error("the host is busy"), { code: "EBUSY" });
    if (firmware === 0) throw error;
    throw new CollectorError(SEV_GUEST, "interface_failed", `firmware error ${firmware}`, { cause: error });
  }
}

function reportIn(memory: NativeMemory): Uint8Array {
  const view = viewOf(memory);
  const status = view.getUint32(AT.response, true);
  const byteLength = view.getUint32(AT.response + 4, true);
  if (status !== 0) throw new CollectorError(SEV_GUEST, "interface_failed", `report status ${status}`);
  if (byteLength !== REPORT_BYTES) {
    throw new CollectorError(SEV_GUEST, "reply_malformed", `a report of ${byteLength} bytes`);
  }
  const at = AT.response + RESPONSE_HEAD_BYTES;
  return memory.bytes.slice(at, at + REPORT_BYTES);
}

function viewOf({ bytes }: NativeMemory): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** What a stand-in of the driver needs to know. */
export const SEV_GUEST_LAYOUT = { REPORT_REQUEST_BYTES, EXTENDED_REQUEST_BYTES, RESPONSE_BYTES } as const;
