/**
 * `/dev/tdx_guest` (include/uapi/linux/tdx-guest.h): gives a TDREPORT, which only this machine's quoting enclave can check.
 * The kernel turns it into a quote through configfs-tsm alone, so that this interface says which TEE is here and what is
 * missing, and gives no evidence.
 */
import { CollectorError, collectorError } from "./collector-error.ts";
import { DEFAULT_TIMEOUT_MS, whileBusy, withinTime, type CollectorOptions } from "./collector.ts";
import { openDeviceFile } from "./device-file.ts";
import { allocate, ioctl, ioctlNumber } from "./native.ts";

export const TDX_GUEST = "tdx-guest";
export const TDX_GUEST_PATH = "/dev/tdx_guest";

/** tdx_report_req: report data (64), TDREPORT (1024). */
const REPORT_DATA_BYTES = 64;
const TDREPORT_BYTES = 1024;
export const TDX_CMD_GET_REPORT0 = ioctlNumber(0x54, 1, REPORT_DATA_BYTES + TDREPORT_BYTES);
/** REPORTMACSTRUCT starts with the report's type: 0x81 is TDX. */
const TYPE_TDX = 0x81;

/**
 * Always throws.
 * @throws CollectorError `quote_path_missing` where a TD is running; why not, otherwise
 */
export async function openTdxGuest(options: CollectorOptions = {}): Promise<never> {
  const path = options.path ?? TDX_GUEST_PATH;
  const file = await openDeviceFile(TDX_GUEST, path);
  const memory = await allocate(REPORT_DATA_BYTES + TDREPORT_BYTES);
  // Freed by whoever waits for the call, which may outlive the time limit.
  const asked = whileBusy(() => ioctl(file.fd, TDX_CMD_GET_REPORT0, memory.address))
    .then(() => memory.bytes[REPORT_DATA_BYTES])
    .finally(() => memory.free());
  try {
    if ((await withinTime(TDX_GUEST, options.timeoutMs ?? DEFAULT_TIMEOUT_MS, asked)) !== TYPE_TDX) {
      throw new CollectorError(TDX_GUEST, "reply_malformed", "the report is not TDX's");
    }
  } catch (error) {
    throw collectorError(TDX_GUEST, "no TDREPORT", error);
  } finally {
    await file.close();
  }
  throw new CollectorError(
    TDX_GUEST,
    "quote_path_missing",
    "this is a TD, but its kernel offers no quotes: mount configfs and load tdx_guest of Linux 6.7 or newer (CONFIG_TSM_REPORTS)",
  );
}
