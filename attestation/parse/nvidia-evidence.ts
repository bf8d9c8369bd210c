/**
 * What is handed over as NVIDIA evidence: one raw report, whose certificates come as endorsements, or the evidence list of
 * NVIDIA's SDK, which has the chain of each device beside its report.
 */
import { CodecError, equal, fromBase64, fromHex, fromUtf8 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { DerError } from "../verify/der.ts";
import { parsePem } from "../verify/pem.ts";

export interface NvidiaDevice {
  readonly report: Uint8Array;
  /** DER, leaf first. */
  readonly certificates: readonly Uint8Array[];
  /** As the list names them; undefined beside a raw report. */
  readonly architecture?: string;
  readonly statedNonce?: Uint8Array;
}

const MAX_DEVICES = 64;
const MAX_LIST_BYTES = 4 << 20;
const BRACKET = 0x5b;
const BRACE = 0x7b;

function malformed(message: string): never {
  throw new AttestationError("evidence_list_malformed", `evidence list: ${message}`);
}

function decoded<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof CodecError || error instanceof DerError) malformed(`${what}: ${error.message}`);
    throw error;
  }
}

function textOf(members: ReadonlyMap<string, unknown>, name: string): string {
  const value = members.get(name);
  return typeof value === "string" ? value : malformed(`${name} is not a text`);
}

function parseDevice(value: unknown): NvidiaDevice {
  if (typeof value !== "object" || value === null || Array.isArray(value)) malformed("an entry is no object");
  const members = new Map<string, unknown>(Object.entries(value));
  const chain = decoded("certificate", () => fromUtf8(fromBase64(textOf(members, "certificate"))));
  const report = decoded("evidence", () => fromBase64(textOf(members, "evidence")));
  const nonce = members.get("nonce");
  const architecture = members.get("arch");
  if (architecture !== undefined && typeof architecture !== "string") malformed("arch is not a text");
  return {
    report,
    certificates: decoded("certificate", () => parsePem(chain)),
    ...(architecture !== undefined && { architecture: architecture.slice(0, 64) }),
    ...(nonce !== undefined && {
      statedNonce: decoded("nonce", () => fromHex(textOf(members, "nonce"), 32)),
    }),
  };
}

function parseList(bytes: Uint8Array): readonly NvidiaDevice[] {
  if (bytes.length > MAX_LIST_BYTES) malformed("too large");
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch {
    malformed("not JSON");
  }
  // The SDK writes a list; services wrap it as {"evidence_list": […]}.
  const list = Array.isArray(value) ? value : new Map(Object.entries(value ?? {})).get("evidence_list");
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_DEVICES) {
    malformed(`not a list of 1 to ${MAX_DEVICES} entries`);
  }
  return list.map(parseDevice);
}

/** One device's evidence must not stand for two. */
function refuseDuplicates(devices: readonly NvidiaDevice[]): void {
  for (const [i, device] of devices.entries()) {
    for (const other of devices.slice(0, i)) {
      const [leaf, otherLeaf] = [device.certificates[0], other.certificates[0]];
      const sameLeaf = leaf !== undefined && otherLeaf !== undefined && equal(leaf, otherLeaf);
      if (sameLeaf || equal(device.report, other.report)) {
        throw new AttestationError("evidence_duplicate", "two entries of the list are of one device");
      }
    }
  }
}

/**
 * The devices in what was handed over, in order.
 * @param certificates of the endorsements: the chain of a raw report
 * @throws AttestationError `evidence_list_malformed`, `evidence_duplicate`
 */
export function parseNvidiaEvidence(
  bytes: Uint8Array,
  certificates: readonly Uint8Array[],
): readonly NvidiaDevice[] {
  const start = bytes.findIndex((byte) => byte > 0x20);
  // A report starts with SPDM's version, 0x11, a control character in text.
  if (bytes[0] === 0x11 || (bytes[start] !== BRACKET && bytes[start] !== BRACE)) {
    return [{ report: bytes, certificates }];
  }
  const devices = parseList(bytes);
  refuseDuplicates(devices);
  return devices;
}
