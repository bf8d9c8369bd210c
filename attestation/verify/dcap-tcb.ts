/**
 * How current a platform is, by Intel's rules for TCB levels, TDX modules and quoting enclaves (Intel TDX DCAP quoting
 * library API, "Quote verification", and the documentation of TCB info version 3 of Intel's provisioning service).
 */
import { AttestationError } from "../error.ts";
import type { AttestationErrorCode } from "../error.ts";
import type { IsvLevel, LevelStatus, PlatformLevel, QeIdentity } from "../parse/dcap-collateral.ts";
import type { TcbInfo, TcbStatus, TdxModule, TdxModuleIdentity } from "../parse/dcap-collateral.ts";
import type { EnclaveReport, TdReport } from "../parse/dcap.ts";
import type { PckPlatform } from "../parse/dcap-pck.ts";
import { isoTime } from "./chain.ts";
import { equalBytes } from "./x509.ts";

/** A part of the TCB with the level that it reached and the newest that there is. */
export interface TcbPart {
  readonly part: "platform" | "tdx_module" | "quoting_enclave";
  readonly level: LevelStatus;
  /** tcbDate of the newest level, seconds since 1970. */
  readonly newestDate: number;
}

export interface TcbEvaluation {
  readonly status: TcbStatus;
  /** Of all parts, each once, in the order platform, module, quoting enclave. */
  readonly advisoryIds: readonly string[];
  readonly parts: readonly TcbPart[];
  /** The oldest tcbDate among the parts, seconds since 1970. */
  readonly tcbDate: number;
  readonly evaluationDataNumber: number;
}

/** What Intel's library lets a module's and a quoting enclave's level state. */
const MODULE_STATUSES: ReadonlySet<TcbStatus> = new Set(["UpToDate", "OutOfDate", "Revoked"]);
const QE_STATUSES: ReadonlySet<TcbStatus> = new Set([
  ...MODULE_STATUSES,
  "ConfigurationNeeded",
  "OutOfDateConfigurationNeeded",
]);

function day(seconds: number): string {
  return isoTime(seconds).slice(0, 10);
}

/** How far behind a part is, or undefined where it is at the newest level. */
export function describeLag({ part, level, newestDate }: TcbPart): string | undefined {
  if (level.tcbDate >= newestDate) return undefined;
  return `${part.replace("_", " ")} at tcb level ${day(level.tcbDate)}, newest ${day(newestDate)}`;
}

function newestOf(levels: readonly LevelStatus[]): number {
  let newest = 0;
  for (const { tcbDate } of levels) newest = Math.max(newest, tcbDate);
  return newest;
}

function noLevel(code: AttestationErrorCode, what: string, levels: readonly LevelStatus[]): AttestationError {
  if (levels.length === 0) return new AttestationError(code, `${what}: there are no TCB levels`);
  const dates = levels.map(({ tcbDate }) => tcbDate);
  const oldest = day(dates.reduce((a, b) => Math.min(a, b)));
  const newest = day(newestOf(levels));
  return new AttestationError(code, `${what} is below every tcb level, oldest ${oldest}, newest ${newest}`);
}

function reaches(svns: Uint8Array, required: readonly number[], from: number): boolean {
  for (let i = from; i < 16; i++) if (svns[i]! < required[i]!) return false;
  return true;
}

function requireComponents(level: PlatformLevel, isTdx: boolean): void {
  if (level.sgxSvns.length !== 16 || (isTdx && level.tdxSvns.length !== 16)) {
    throw new AttestationError("tcb_components_mismatch", "a TCB level does not state its 16 component SVNs");
  }
}

/** The highest level that every SVN reaches; from module major 1 on, the module's identity judges SVNs 0 and 1. */
function matchPlatform(tcbInfo: TcbInfo, platform: PckPlatform, teeTcbSvn: Uint8Array | undefined): TcbPart {
  const from = teeTcbSvn !== undefined && teeTcbSvn[1]! > 0 ? 2 : 0;
  for (const level of tcbInfo.levels) {
    requireComponents(level, teeTcbSvn !== undefined);
    if (platform.pceSvn < level.pceSvn || !reaches(platform.cpuSvn, level.sgxSvns, 0)) continue;
    if (teeTcbSvn !== undefined && !reaches(teeTcbSvn, level.tdxSvns, from)) continue;
    return { part: "platform", level, newestDate: newestOf(tcbInfo.levels) };
  }
  throw noLevel("tcb_level_not_found", "the platform", tcbInfo.levels);
}

function findModuleIdentity(tcbInfo: TcbInfo, major: number): TdxModuleIdentity {
  const id = `TDX_${major.toString(16).padStart(2, "0")}`;
  const identity = tcbInfo.tdxModuleIdentities.find(
    (candidate) => candidate.id.toLowerCase() === id.toLowerCase(),
  );
  if (identity === undefined) {
    throw new AttestationError("tdx_module_missing", `TCB info has no TDX module identity ${id}`);
  }
  return identity;
}

/**
 * That the TD's module is the one that TCB info names, by its signer and attributes.
 * @throws AttestationError `tdx_module_missing`, `tdx_module_mrsigner_mismatch`, `tdx_module_attributes_mismatch`
 */
function verifyTdxModule(tcbInfo: TcbInfo, report: TdReport): void {
  const major = report.teeTcbSvn[1]!;
  if (tcbInfo.tdxModule === undefined) {
    throw new AttestationError("tdx_module_missing", "TCB info names no TDX module");
  }
  const module: TdxModule = major > 0 ? findModuleIdentity(tcbInfo, major) : tcbInfo.tdxModule;
  if (!equalBytes(report.mrSignerSeam, module.mrSigner)) {
    throw new AttestationError("tdx_module_mrsigner_mismatch", "the TDX module has another signer");
  }
  for (let i = 0; i < 8; i++) {
    const attributes = report.seamAttributes[i]!;
    // Every attribute of a production module is zero, those outside the mask too.
    if (attributes !== 0 || (attributes & module.attributesMask[i]!) !== module.attributes[i]!) {
      throw new AttestationError("tdx_module_attributes_mismatch", "the TDX module has other attributes");
    }
  }
}

function matchModule(tcbInfo: TcbInfo, teeTcbSvn: Uint8Array): TcbPart | undefined {
  const [minor, major] = teeTcbSvn as unknown as [number, number];
  if (major === 0) return undefined;
  const { levels } = findModuleIdentity(tcbInfo, major);
  const level = levels.find(({ isvSvn }) => minor >= isvSvn);
  if (level === undefined) throw noLevel("tdx_module_tcb_not_found", "the TDX module", levels);
  if (!MODULE_STATUSES.has(level.status)) {
    throw new AttestationError("tcb_info_malformed", `no TDX module has the TCB status ${level.status}`);
  }
  return { part: "tdx_module", level, newestDate: newestOf(levels) };
}

/**
 * That the quoting enclave is the one of the QE identity, and its TCB level.
 * @throws AttestationError `qe_debug`, `qe_…_mismatch`, `qe_tcb_not_found`, `qe_identity_malformed`
 */
export function evaluateQe(identity: QeIdentity, report: EnclaveReport): TcbPart {
  if ((report.attributes[0]! & 2) !== 0)
    throw new AttestationError("qe_debug", "the quoting enclave is a debug one");
  if ((report.miscSelect & identity.miscSelectMask) >>> 0 !== identity.miscSelect) {
    throw new AttestationError("qe_miscselect_mismatch", "the quoting enclave has another MISCSELECT");
  }
  for (let i = 0; i < 16; i++) {
    if ((report.attributes[i]! & identity.attributesMask[i]!) !== identity.attributes[i]!) {
      throw new AttestationError("qe_attributes_mismatch", "the quoting enclave has other attributes");
    }
  }
  if (!equalBytes(report.mrSigner, identity.mrSigner)) {
    throw new AttestationError("qe_mrsigner_mismatch", "the quoting enclave has another signer");
  }
  if (report.isvProdId !== identity.isvProdId) {
    throw new AttestationError("qe_isvprodid_mismatch", "the quoting enclave is another product");
  }
  const level: IsvLevel | undefined = identity.levels.find(({ isvSvn }) => report.isvSvn >= isvSvn);
  if (level === undefined) throw noLevel("qe_tcb_not_found", "the quoting enclave", identity.levels);
  if (!QE_STATUSES.has(level.status)) {
    throw new AttestationError(
      "qe_identity_malformed",
      `no quoting enclave has the TCB status ${level.status}`,
    );
  }
  return { part: "quoting_enclave", level, newestDate: newestOf(identity.levels) };
}

function isOutOfDate(status: TcbStatus): boolean {
  return status === "OutOfDate" || status === "OutOfDateConfigurationNeeded";
}

function needsConfiguration(status: TcbStatus): boolean {
  return (
    status === "ConfigurationNeeded" ||
    status === "ConfigurationAndSWHardeningNeeded" ||
    status === "OutOfDateConfigurationNeeded"
  );
}

/** The platform's status, worsened by what its module and quoting enclave add. */
export function mergeStatuses(platform: TcbStatus, others: readonly TcbStatus[]): TcbStatus {
  const all = [platform, ...others];
  if (all.includes("Revoked")) return "Revoked";
  const configuration = all.some(needsConfiguration);
  if (all.some(isOutOfDate)) return configuration ? "OutOfDateConfigurationNeeded" : "OutOfDate";
  const hardening = all.some((status) => status.includes("SWHardeningNeeded"));
  if (hardening) return configuration ? "ConfigurationAndSWHardeningNeeded" : "SWHardeningNeeded";
  return configuration ? "ConfigurationNeeded" : "UpToDate";
}

function mergeParts(
  parts: readonly TcbPart[],
): Pick<TcbEvaluation, "status" | "advisoryIds" | "parts" | "tcbDate"> {
  const [platform, ...others] = parts.map(({ level }) => level.status) as [TcbStatus, ...TcbStatus[]];
  return {
    status: mergeStatuses(platform, others),
    advisoryIds: [...new Set(parts.flatMap(({ level }) => level.advisoryIds))],
    parts,
    tcbDate: parts.reduce((oldest, { level }) => Math.min(oldest, level.tcbDate), Number.MAX_SAFE_INTEGER),
  };
}

function partsAt(tcbInfo: TcbInfo, platform: PckPlatform, teeTcbSvn: Uint8Array, qe: TcbPart): TcbPart[] {
  const module = matchModule(tcbInfo, teeTcbSvn);
  const platformPart = matchPlatform(tcbInfo, platform, teeTcbSvn);
  return module === undefined ? [platformPart, qe] : [platformPart, module, qe];
}

function evaluateCurrent(
  tcbInfo: TcbInfo,
  platform: PckPlatform,
  teeTcbSvn2: Uint8Array,
  qe: TcbPart,
): TcbPart[] {
  try {
    return partsAt(tcbInfo, platform, teeTcbSvn2, qe);
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    throw new AttestationError("tcb_current_not_found", `the TDX module that runs now: ${error.message}`);
  }
}

/**
 * The TCB status of an SGX quote's platform.
 * @throws AttestationError `tcb_level_not_found`, `tcb_components_mismatch`
 */
export function evaluateSgxTcb(tcbInfo: TcbInfo, platform: PckPlatform, qe: TcbPart): TcbEvaluation {
  const parts = [matchPlatform(tcbInfo, platform, undefined), qe];
  return { ...mergeParts(parts), evaluationDataNumber: tcbInfo.evaluationDataNumber };
}

/**
 * The TCB status of a TDX quote's platform. A TD 1.5 that was launched under an out-of-date module which has since
 * been updated in place is advised to relaunch.
 * @throws AttestationError `tcb_level_not_found`, `tcb_components_mismatch`, `tdx_module_…`, `tcb_current_not_found`
 */
export function evaluateTdxTcb(
  tcbInfo: TcbInfo,
  platform: PckPlatform,
  report: TdReport,
  qe: TcbPart,
): TcbEvaluation {
  const platformPart = matchPlatform(tcbInfo, platform, report.teeTcbSvn);
  verifyTdxModule(tcbInfo, report);
  const module = matchModule(tcbInfo, report.teeTcbSvn);
  const launch = mergeParts(module === undefined ? [platformPart, qe] : [platformPart, module, qe]);
  const { evaluationDataNumber } = tcbInfo;
  const { teeTcbSvn2 } = report;
  if (teeTcbSvn2 === undefined || equalBytes(teeTcbSvn2, report.teeTcbSvn))
    return { ...launch, evaluationDataNumber };
  const current = mergeParts(evaluateCurrent(tcbInfo, platform, teeTcbSvn2, qe));
  const advisoryIds = [...new Set([...launch.advisoryIds, ...current.advisoryIds])];
  return {
    ...launch,
    status: adviseRelaunch(launch.status, current.status),
    advisoryIds,
    evaluationDataNumber,
  };
}

function adviseRelaunch(launch: TcbStatus, current: TcbStatus): TcbStatus {
  if (current === "Revoked") return "Revoked";
  if (!isOutOfDate(launch) || isOutOfDate(current)) return launch;
  const configuration = needsConfiguration(launch) || needsConfiguration(current);
  return configuration ? "TDRelaunchAdvisedConfigurationNeeded" : "TDRelaunchAdvised";
}
