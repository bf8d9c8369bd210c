/** The questions that a policy asks of a verified SEV-SNP report, one check each. */
import { equal, toHex } from "../../codec/index.ts";
import { AttestationError, type AttestationErrorCode } from "../error.ts";
import { snpTcbBelow, type SnpTcb } from "../parse/sev-snp-product.ts";
import type { SnpFirmwareVersion, SnpReport } from "../parse/sev-snp.ts";
import type { Checks } from "../transcript.ts";
import type { VerifiedSnpReport } from "../verify/sev-snp.ts";
import type { SnpMeasurement, SnpPolicy } from "./sev-snp-policy.ts";

function refuse(code: AttestationErrorCode, message: string): never {
  throw new AttestationError(code, message);
}

function isListed(value: Uint8Array, list: readonly Uint8Array[]): boolean {
  return list.some((entry) => equal(entry, value));
}

function ordinal({ major, minor, build }: SnpFirmwareVersion): number {
  return (major * 256 + minor) * 256 + build;
}

function tcbText(tcb: SnpTcb): string {
  const parts = Object.entries(tcb).filter(([, version]) => version !== undefined);
  return parts.map(([name, version]) => `${name} ${version}`).join(", ");
}

function checkVmpl({ vmpl }: SnpReport, policy: SnpPolicy): void {
  const { least, most } = policy.vmpl;
  if (vmpl === 0xffff_ffff) refuse("vmpl_not_allowed", "the host asked for this report, not the guest");
  if (vmpl < least || vmpl > most) refuse("vmpl_not_allowed", `VMPL ${vmpl} is not of ${least} to ${most}`);
}

/** Firmware may not claim more than it has: what is reported or committed is at most what runs. */
function checkTcbOrder(verified: VerifiedSnpReport): void {
  for (const name of ["reportedTcb", "committedTcb"] as const) {
    const ahead = snpTcbBelow(verified.currentTcb, verified[name]);
    if (ahead.length > 0) refuse("tcb_inconsistent", `${name} is above currentTcb in ${ahead.join(", ")}`);
  }
}

function checkMinimumTcb(verified: VerifiedSnpReport, policy: SnpPolicy): void {
  const minimum = policy.minimumTcb?.[verified.product];
  for (const name of ["reported", "committed", "launch"] as const) {
    const least = minimum?.[name];
    if (least === undefined) continue;
    const tcb = verified[`${name}Tcb`];
    const below = snpTcbBelow(tcb, least);
    if (below.length > 0) {
      const parts = below.map((part) => `${part} ${tcb[part] ?? 0}, least ${least[part]}`);
      refuse("tcb_too_old", `${name} TCB: ${parts.join("; ")}`);
    }
  }
}

function checkFirmware({ report, currentTcb, committedTcb }: VerifiedSnpReport, policy: SnpPolicy): void {
  const { committedVersion, currentVersion } = report;
  if (policy.minimumFirmware !== undefined && ordinal(committedVersion) < ordinal(policy.minimumFirmware)) {
    refuse("firmware_too_old", "the platform is committed to older firmware than the policy accepts");
  }
  const isProvisional =
    ordinal(committedVersion) !== ordinal(currentVersion) || snpTcbBelow(committedTcb, currentTcb).length > 0;
  if (isProvisional && !policy.acceptProvisionalFirmware) {
    refuse("firmware_provisional", "the platform runs firmware that it has not committed to");
  }
}

/** Bits that have another value than the policy wants. */
function wrongBits(actual: object, wanted: object | undefined): string[] {
  return Object.entries(wanted ?? {})
    .filter(([name, value]) => value !== undefined && Reflect.get(actual, name) !== value)
    .map(([name]) => name);
}

function checkGuestPolicy({ policy, guestSvn }: SnpReport, wanted: SnpPolicy): void {
  const wrong = wrongBits(policy, wanted.guestPolicy);
  if (wrong.length > 0) refuse("guest_policy_not_allowed", `guest policy: ${wrong.join(", ")}`);
  const abi = wanted.minimumAbi;
  if (abi !== undefined && policy.abiMajor * 256 + policy.abiMinor < abi.major * 256 + abi.minor) {
    refuse(
      "guest_policy_not_allowed",
      `the guest accepts firmware from ABI ${policy.abiMajor}.${policy.abiMinor} on`,
    );
  }
  if (wanted.minimumGuestSvn !== undefined && guestSvn < wanted.minimumGuestSvn) {
    refuse("guest_svn_too_low", `guest SVN ${guestSvn}, least ${wanted.minimumGuestSvn}`);
  }
}

function checkPlatform(verified: VerifiedSnpReport, policy: SnpPolicy): void {
  const { report, key, product } = verified;
  if (policy.products?.includes(product) === false)
    refuse("platform_not_allowed", `the platform is of ${product}`);
  if (policy.signingKeys?.includes(key.kind) === false) {
    refuse("signing_key_not_allowed", `the report is signed by a ${key.kind}`);
  }
  if (policy.cspIds !== undefined && (key.cspId === undefined || !policy.cspIds.includes(key.cspId))) {
    refuse("platform_not_allowed", "the report is from no listed cloud provider");
  }
  if (policy.chipIds !== undefined && !isListed(report.chipId, policy.chipIds)) {
    refuse("platform_not_allowed", "the report is from no listed chip");
  }
  const wrong = wrongBits(report.platformInfo, policy.platformInfo);
  if (wrong.length > 0) refuse("platform_info_not_allowed", `platform info: ${wrong.join(", ")}`);
  if (report.platformInfo.unknownBits !== 0n && !policy.acceptUnknownPlatformBits) {
    refuse("platform_info_not_allowed", "platform info has bits that no published ABI names");
  }
}

function checkMitigations(report: SnpReport, policy: SnpPolicy): void {
  for (const name of ["launch", "current"] as const) {
    const wanted = policy.mitigations?.[name];
    if (wanted === undefined) continue;
    const vector = report[`${name}MitigationVector`];
    const bits = BigInt(`0x${toHex(wanted)}`);
    if (vector === undefined) refuse("mitigations_missing", "reports of this version name no mitigations");
    if ((vector & bits) !== bits)
      refuse("mitigations_missing", `the ${name} mitigation vector lacks wanted bits`);
  }
}

/** What the guest was launched with, beside its measurement. */
function checkLaunch(report: SnpReport, policy: SnpPolicy): void {
  const lists = [
    ["host_data_mismatch", "host data", report.hostData, policy.hostData],
    ["id_block_mismatch", "family id", report.familyId, policy.familyIds],
    ["id_block_mismatch", "image id", report.imageId, policy.imageIds],
    ["id_block_mismatch", "id key digest", report.idKeyDigest, policy.idKeyDigests],
    ["id_block_mismatch", "author key digest", report.authorKeyDigest, policy.authorKeyDigests],
    ["report_id_mismatch", "report id", report.reportId, policy.reportIds],
  ] as const;
  for (const [code, name, value, list] of lists) {
    if (list !== undefined && !isListed(value, list))
      refuse(code, `${name} ${toHex(value)} is not a listed one`);
  }
  const wantsAuthor = policy.authorKeyDigests !== undefined;
  if (wantsAuthor && !report.authorKeyEnabled)
    refuse("id_block_mismatch", "no author key certified the ID key");
}

/**
 * Every question but debug, report data and code identity, each written to the transcript.
 * @throws AttestationError with a code of the policy group in `parse/sev-snp-codes.ts`
 */
export function checkSnpPolicy(verified: VerifiedSnpReport, policy: SnpPolicy, checks: Checks): void {
  const { report } = verified;
  checks.run("vmpl", `the report was asked for at VMPL ${report.vmpl}`, () => checkVmpl(report, policy));
  checks.run("tcb_order", "no TCB version is above what runs", () => checkTcbOrder(verified));
  checks.run("minimum_tcb", `reported TCB: ${tcbText(verified.reportedTcb)}`, () =>
    checkMinimumTcb(verified, policy),
  );
  checks.run("firmware", "the committed firmware is accepted", () => checkFirmware(verified, policy));
  checks.run("guest_policy", "the guest policy is accepted", () => checkGuestPolicy(report, policy));
  checks.run("platform", "the platform is accepted", () => checkPlatform(verified, policy));
  checks.run("mitigations", "the wanted mitigations are verified", () => checkMitigations(report, policy));
  checks.run("launch", "host data and ID block are accepted", () => checkLaunch(report, policy));
}

/** Whether the guest is this reference value's. */
export function isSnpGuest(measurement: SnpMeasurement, report: SnpReport): boolean {
  if (!equal(measurement.measurement, report.measurement)) return false;
  for (const name of ["hostData", "familyId", "imageId", "idKeyDigest", "authorKeyDigest"] as const) {
    const value = measurement[name];
    if (value !== undefined && !equal(value, report[name])) return false;
  }
  return report.guestSvn >= (measurement.minimumGuestSvn ?? 0);
}
