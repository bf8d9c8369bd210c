/** The claims of NVIDIA devices. */
import { toHex } from "../../codec/index.ts";
import {
  FEATURE_FLAG,
  OPAQUE,
  OPAQUE_TEXTS,
  opaqueText,
  PROTECTED_PCIE,
  vbiosVersion,
} from "../parse/nvidia-opaque.ts";
import type { OpaqueData } from "../parse/nvidia-opaque.ts";
import type { VerifiedNvidiaDevice } from "../verify/nvidia.ts";

const ENABLED = 0xaa;
const FEATURES = new Map([
  [0, "SPT"],
  [1, "MPT"],
  [2, "PPCIE"],
]);

/**
 * How the device is used confidentially, by NVIDIA's names: the feature flag where the report has one, the protected bus's
 * status on older firmware. Devices report at all only where confidential computing is on.
 */
export function confidentialMode(opaque: OpaqueData): string {
  const flag = opaque.get(FEATURE_FLAG);
  if (flag !== undefined) {
    const isByte = flag.length > 0 && flag.subarray(1).every((byte) => byte === 0);
    return (isByte ? FEATURES.get(flag[0]!) : undefined) ?? "unknown";
  }
  const status = opaque.get(PROTECTED_PCIE);
  return status?.length === 1 && status[0] === ENABLED ? "PPCIE" : "SPT";
}

function textClaims(opaque: OpaqueData): Record<string, string> {
  const claims: Record<string, string> = {};
  for (const [name, type] of Object.entries(OPAQUE_TEXTS)) {
    const value = opaque.get(type);
    const isPrintable = value?.every((byte) => byte === 0 || (byte > 0x20 && byte < 0x7f)) ?? false;
    const text = isPrintable ? opaqueText(opaque, type) : undefined;
    if (text !== undefined && text !== "") claims[name] = text;
  }
  return claims;
}

/** What one verified device says; byte strings in lower-case hex. */
export function deviceClaims({ report, hardwareModel, ueid }: VerifiedNvidiaDevice): Record<string, unknown> {
  const { opaque, requestNonce, measurements } = report;
  const fwid = opaque.get(OPAQUE.fwid);
  const driver = opaqueText(opaque, OPAQUE.driverVersion);
  return {
    hardwareModel,
    ueid,
    ...(driver !== undefined && { driverVersion: driver }),
    vbiosVersion: vbiosVersion(opaque),
    ...(fwid !== undefined && { firmwareIdentity: toHex(fwid) }),
    confidentialMode: confidentialMode(opaque),
    nonce: toHex(requestNonce),
    ...textClaims(opaque),
    measurementValues: Object.fromEntries(
      measurements.map(({ index, value }) => [String(index), toHex(value)]),
    ),
  };
}
