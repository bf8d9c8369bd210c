/**
 * TD attributes (Intel TDX module ABI, TD_ATTRIBUTES, 64 bits, little-endian): which a policy refuses unless it names
 * them. Those that TDX 1.5 added and that weaken nothing are accepted.
 */
import { equal, toHex } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import type { TdReport } from "../parse/dcap.ts";
import type { AppraisalContext } from "./appraisal.ts";
import type { AppraisalErrorCode } from "./codes.ts";

const SEPT_VE_DISABLE = 28;

interface RefusedBit {
  readonly code: AppraisalErrorCode;
  readonly name: string;
}

const NAMED: ReadonlyMap<number, RefusedBit> = new Map([
  [4, { code: "td_profiling_enabled", name: "HGS+ profiling" }],
  [5, { code: "td_profiling_enabled", name: "performance profiling" }],
  [6, { code: "td_profiling_enabled", name: "PMT profiling" }],
  [17, { code: "td_servtd_ext_enabled", name: "SERVTD_EXT" }],
  [29, { code: "td_migratable", name: "migration" }],
]);

/** ICSSD, TDX 1.5's additions, LASS, SEPT_VE_DISABLE, PKS, KL, TPA and PERFMON; bit 0, debug, is judged on its own. */
const ACCEPTED_BITS: ReadonlySet<number> = new Set([0, 16, 18, 19, 20, 21, 22, 27, 28, 30, 31, 62, 63]);

/** What is refused, by bit: the named ones, and all that are reserved. */
export const REFUSED_TD_ATTRIBUTE_BITS: ReadonlyMap<number, RefusedBit> = new Map(
  Array.from({ length: 64 }, (_, bit) => bit)
    .filter((bit) => !ACCEPTED_BITS.has(bit))
    .map((bit) => [bit, NAMED.get(bit) ?? { code: "td_attributes_reserved", name: `reserved bit ${bit}` }]),
);

function isSet(attributes: Uint8Array, bit: number): boolean {
  return (attributes[bit >> 3]! & (1 << (bit & 7))) !== 0;
}

/** @throws AttestationError with a `td_…` code */
export function checkTdAttributes(report: TdReport, { checks, policy }: AppraisalContext): void {
  const { acceptedAttributeBits, acceptSeptVeDisableClear, acceptedServiceTds } = policy.tdx;
  checks.run("td_attributes", "TD attributes are harmless", () => {
    for (const [bit, { code, name }] of REFUSED_TD_ATTRIBUTE_BITS) {
      if (isSet(report.tdAttributes, bit) && !acceptedAttributeBits.includes(bit)) {
        throw new AttestationError(code, `TD attribute bit ${bit} is set: ${name}`);
      }
    }
    if (!isSet(report.tdAttributes, SEPT_VE_DISABLE) && !acceptSeptVeDisableClear) {
      throw new AttestationError("td_sept_ve_disable_clear", "TD attribute SEPT_VE_DISABLE is clear");
    }
  });
  const { mrServiceTd } = report;
  if (mrServiceTd === undefined) return;
  checks.run("td_service_td", "no service TD is bound that the policy does not name", () => {
    const isBound = mrServiceTd.some((byte) => byte !== 0);
    if (isBound && !acceptedServiceTds.some((accepted) => equal(accepted, mrServiceTd))) {
      throw new AttestationError("td_service_td_bound", `service TD ${toHex(mrServiceTd)} is bound`);
    }
  });
}
