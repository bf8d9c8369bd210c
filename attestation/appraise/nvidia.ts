/**
 * Appraisal of NVIDIA GPUs and NVSwitches: whether genuine reports are good enough for a policy. What it can show is that
 * the devices are genuine, and fresh where the verifier chose the nonce; never to which machine they are attached.
 */
import { equal, toHex } from "../../codec/index.ts";
import { NVIDIA_DEVICE_ROOT, NVIDIA_RIM_ROOT, SIMULATED_NVIDIA_ROOT } from "../endorsements/nvidia-roots.ts";
import type { TrustRoot } from "../endorsements/trust-root.ts";
import { AttestationError } from "../error.ts";
import { parseNvidiaEndorsements } from "../parse/nvidia-endorsements.ts";
import { parseNvidiaEvidence, type NvidiaDevice } from "../parse/nvidia-evidence.ts";
import { OPAQUE, opaqueText, vbiosVersion } from "../parse/nvidia-opaque.ts";
import { parseRim, type Rim } from "../parse/nvidia-rim.ts";
import { parseNvidiaReport } from "../parse/nvidia-spdm.ts";
import { PartChecks, type Checks } from "../transcript.ts";
import { verifyMeasurements } from "../verify/nvidia-measurements.ts";
import { verifyRim } from "../verify/nvidia-rim.ts";
import { verifyNvidiaReport, type VerifiedNvidiaDevice } from "../verify/nvidia.ts";
import { namesResponder, parseOcspResponse, verifyOcsp, type OcspResponse } from "../verify/ocsp.ts";
import { parseCertificate, type Certificate } from "../verify/x509.ts";
import { checkReportData, type AppraisalContext, type Evidence } from "./appraisal.ts";
import { checkCodeIdentity } from "./code-identity.ts";
import { confidentialMode, deviceClaims } from "./nvidia-claims.ts";
import type { AppraisalPolicy } from "./policy.ts";
import { trustRoots } from "./roots.ts";

interface VerifiedRim {
  readonly rim: Rim;
  readonly path: readonly Certificate[];
}

/** First letters of NVIDIA's names: of the SDK's architectures, and of the chips that certificates name. */
const ARCHITECTURES = new Map([
  ["HOPPER", "GH"],
  ["BLACKWELL", "GB"],
  ["LS10", "LS"],
]);

/** The policy's roots and the simulated one, so that simulated evidence is refused by name. */
function knownRoots(policy: AppraisalPolicy): readonly TrustRoot[] {
  const roots = trustRoots(policy, [NVIDIA_DEVICE_ROOT], [SIMULATED_NVIDIA_ROOT]);
  return roots.includes(SIMULATED_NVIDIA_ROOT) ? roots : [...roots, SIMULATED_NVIDIA_ROOT];
}

/** The simulated root is known here too; what it signed makes the whole simulated, the device's root aside. */
function rimRoots({ policy }: AppraisalContext): readonly Certificate[] {
  const roots = policy.nvidia.rimRoots.map((root) =>
    root === "hardware" ? NVIDIA_RIM_ROOT.certificate : parseCertificate(root.certificate),
  );
  return [...roots, SIMULATED_NVIDIA_ROOT.certificate];
}

function isSimulatedRim({ path }: VerifiedRim): boolean {
  return equal(path.at(-1)!.der, SIMULATED_NVIDIA_ROOT.certificate.der);
}

/** As soon as it is known: whatever fails later is then a simulation's failure, and told as one. */
function checkSimulated(isSimulated: boolean, { findings, policy }: AppraisalContext, checks: Checks): void {
  if (!isSimulated) return;
  findings.simulated = true;
  checks.run("root", "a simulated root is accepted by the policy", () => {
    if (!trustRoots(policy, [], [SIMULATED_NVIDIA_ROOT]).includes(SIMULATED_NVIDIA_ROOT)) {
      throw new AttestationError("simulated_refused", "the evidence is simulated: it proves nothing");
    }
  });
}

function verifyRims(texts: readonly string[], context: AppraisalContext): readonly VerifiedRim[] {
  const roots = rimRoots(context);
  return texts.map((text, i) =>
    context.checks.run(
      `rim${i}`,
      "the reference manifest is signed under a trusted root, and in date",
      () => {
        const rim = parseRim(text);
        return { rim, path: verifyRim(rim, { roots, nowSeconds: context.nowSeconds }) };
      },
    ),
  );
}

function checkType(
  device: NvidiaDevice,
  { hardwareModel }: VerifiedNvidiaDevice,
  type: Evidence["type"],
): void {
  const chip = hardwareModel.slice(0, 2);
  const isSwitch = chip === "LS";
  if (isSwitch !== (type === "nvidia-switch")) {
    throw new AttestationError("evidence_type_mismatch", `the report is not of type ${type}`);
  }
  if (device.architecture !== undefined && ARCHITECTURES.get(device.architecture.toUpperCase()) !== chip) {
    throw new AttestationError(
      "evidence_type_mismatch",
      "the device is of another architecture than the list says",
    );
  }
}

function checkNonce(
  device: NvidiaDevice,
  verified: VerifiedNvidiaDevice,
  context: AppraisalContext,
  checks: Checks,
): void {
  const { requestNonce } = verified.report;
  const { expectedNonce } = context;
  checks.run("stated_nonce", "the report carries the nonce that came beside it, if one did", () => {
    if (device.statedNonce !== undefined && !equal(device.statedNonce, requestNonce)) {
      throw new AttestationError("nonce_mismatch", "the report carries another nonce than the list says");
    }
  });
  if (expectedNonce === undefined) {
    checks.skip("nonce", "no nonce was expected: the report may be an old one");
    return;
  }
  checks.run("nonce", "the report carries the expected nonce", () => {
    if (!equal(expectedNonce, requestNonce)) {
      throw new AttestationError("nonce_mismatch", "the report carries another nonce than the expected one");
    }
  });
}

function checkVersions({ report }: VerifiedNvidiaDevice, { policy }: AppraisalContext, checks: Checks): void {
  const { driverVersions, vbiosVersions, confidentialModes } = policy.nvidia;
  const driver = opaqueText(report.opaque, OPAQUE.driverVersion) ?? "";
  const vbios = vbiosVersion(report.opaque) ?? "";
  const mode = confidentialMode(report.opaque);
  checks.run("configuration", `driver ${driver || "none"}, VBIOS ${vbios || "none"}, mode ${mode}`, () => {
    if (driverVersions?.includes(driver) === false) {
      throw new AttestationError("driver_version_refused", "the policy does not accept the driver's version");
    }
    if (vbiosVersions?.includes(vbios) === false) {
      throw new AttestationError("vbios_version_refused", "the policy does not accept the VBIOS's version");
    }
    if (confidentialModes?.some((accepted) => accepted === mode) === false) {
      throw new AttestationError("confidential_mode_refused", "the policy does not accept the device's mode");
    }
  });
}

function checkOcsp(
  path: readonly Certificate[],
  responses: readonly OcspResponse[],
  context: AppraisalContext,
  checks: Checks,
): void {
  const { nowSeconds, policy } = context;
  const isRequired = policy.nvidia.ocsp === "required";
  if (responses.length === 0 && !isRequired) {
    checks.skip(
      "revocation",
      "no OCSP responses were handed in: whether a certificate was revoked is unknown",
    );
    return;
  }
  checks.run("revocation", "no OCSP response says that a certificate is revoked or on hold", () => {
    const good = verifyOcsp(path, responses, nowSeconds);
    const asked = path.slice(0, -1).filter(namesResponder);
    if (isRequired && !asked.every((certificate) => good.has(certificate))) {
      throw new AttestationError("ocsp_missing", "a certificate has no OCSP response");
    }
  });
}

/** The manifests of this device's versions, one of each kind that it needs. */
function rimsFor(
  { report, hardwareModel }: VerifiedNvidiaDevice,
  rims: readonly VerifiedRim[],
  isSwitch: boolean,
): readonly Rim[] {
  const versions = [
    { kind: "vbios", version: vbiosVersion(report.opaque) },
    ...(isSwitch ? [] : [{ kind: "driver", version: opaqueText(report.opaque, OPAQUE.driverVersion) }]),
  ];
  return versions.map(({ kind, version }) => {
    const ofKind = rims.filter(({ rim }) => rim.kind === kind);
    if (ofKind.length === 0)
      throw new AttestationError("rim_missing", `no manifest of the ${kind} was handed in`);
    const found = ofKind.filter(({ rim }) => rim.version === version);
    if (found.length === 0) {
      throw new AttestationError(
        "rim_version_mismatch",
        `no manifest is of the ${kind}'s version ${version ?? ""}`,
      );
    }
    const fitting = found.filter(({ rim }) => rim.product.slice(0, 2) === hardwareModel.slice(0, 2));
    if (fitting.length === 0)
      throw new AttestationError("rim_product_mismatch", `the ${kind}'s manifest is of another product`);
    return fitting[0]!.rim;
  });
}

function appraiseDevice(
  device: NvidiaDevice,
  beside: { readonly rims: readonly VerifiedRim[]; readonly responses: readonly OcspResponse[] },
  { evidence, context, checks }: { evidence: Evidence; context: AppraisalContext; checks: Checks },
): VerifiedNvidiaDevice {
  const { policy, nowSeconds } = context;
  const report = checks.run("parse", "the report is well formed", () => parseNvidiaReport(device.report));
  const { trailing } = report;
  if (trailing.length > 0)
    checks.skip("trailing", `${trailing.length} bytes behind the signature are no part of the report`);
  const verified = verifyNvidiaReport(report, device, {
    roots: knownRoots(policy),
    nowSeconds,
    checks,
    requireFirmwareIdentity: policy.nvidia.firmwareIdentity === "required",
  });
  checkSimulated(verified.root.simulated, context, checks);
  checks.run("device_type", `the device is ${verified.hardwareModel}`, () =>
    checkType(device, verified, evidence.type),
  );
  checkNonce(device, verified, context, checks);
  checkOcsp(verified.path, beside.responses, context, checks);
  checkVersions(verified, context, checks);
  if (beside.rims.length === 0) {
    checks.skip("measurements", "no reference manifests were handed in: measurements are unchecked");
    return verified;
  }
  const rims = checks.run("rim_versions", "manifests of driver and VBIOS are of the device's versions", () =>
    rimsFor(verified, beside.rims, evidence.type === "nvidia-switch"),
  );
  checks.run("measurements", "every active measurement has one of the manifests' values", () =>
    verifyMeasurements(report, rims),
  );
  return verified;
}

/** Other firmware gets its device another leaf; the key above it is the device's own and stays. */
function checkDistinct(devices: readonly VerifiedNvidiaDevice[], checks: Checks): void {
  if (devices.length === 1) return;
  checks.run("distinct_devices", "no two reports are of one device, be it with other firmware", () => {
    const identities = devices
      .filter(({ path }) => path.length > 2)
      .map(({ path }) => toHex(path[1]!.publicKey.spki));
    if (new Set(identities).size < identities.length) {
      throw new AttestationError("evidence_duplicate", "two entries of the list are of one device");
    }
  });
}

function sharedNonce(devices: readonly VerifiedNvidiaDevice[]): Uint8Array {
  const nonce = devices[0]!.report.requestNonce;
  return devices.every(({ report }) => equal(report.requestNonce, nonce)) ? nonce : new Uint8Array(0);
}

function claimsOf(
  devices: readonly VerifiedNvidiaDevice[],
  evidence: Evidence,
  context: AppraisalContext,
  isMeasured: boolean,
) {
  const { root } = devices[0]!;
  const isGpu = evidence.type === "nvidia-gpu";
  const what = isGpu ? "GPU" : "NVSwitch";
  const isFresh = context.expectedNonce !== undefined;
  const isHardware = devices.every((device) => device.root === NVIDIA_DEVICE_ROOT);
  const source = isHardware ? "hardware_proven" : "operator_asserted";
  return {
    source: context.findings.simulated ? "simulated" : source,
    root: root.name,
    rootFingerprint: root.fingerprint,
    statement: `${what} evidence ${context.findings.simulated ? "SIMULATED" : isFresh ? "fresh and genuine" : "genuine"}`,
    measurements: isMeasured ? "matched" : "unchecked",
    submods: Object.fromEntries(
      devices.map((device, i) => [`${isGpu ? "gpu" : "switch"}${i}`, deviceClaims(device)]),
    ),
  };
}

/**
 * Appraises evidence of type `nvidia-gpu` or `nvidia-switch`: one report or the SDK's list, all or nothing.
 * @param endorsements parsed JSON, see `parse/nvidia-endorsements.ts`
 * @throws AttestationError, X509Error where it is rejected
 */
export function appraiseNvidia(evidence: Evidence, endorsements: unknown, context: AppraisalContext): void {
  const { checks, findings } = context;
  const beside = checks.run("endorsements_format", "the endorsements are well formed", () =>
    parseNvidiaEndorsements(endorsements),
  );
  const devices = checks.run("evidence_format", "the evidence is a report or a list of them", () =>
    parseNvidiaEvidence(evidence.quote, beside.certificates),
  );
  const responses = checks.run("ocsp_format", "the OCSP responses are well formed", () =>
    beside.ocspResponses.map(parseOcspResponse),
  );
  const rims = verifyRims(beside.rims, context);
  checkSimulated(rims.some(isSimulatedRim), context, checks);
  for (const [i, { path }] of rims.entries())
    checkOcsp(path, responses, context, new PartChecks(checks, `rim${i}`));
  const part = evidence.type === "nvidia-gpu" ? "gpu" : "switch";
  const verified = devices.map((device, i) =>
    appraiseDevice(
      device,
      { rims, responses },
      {
        evidence,
        context,
        checks: devices.length === 1 ? checks : new PartChecks(checks, `${part}${i}`),
      },
    ),
  );
  checkDistinct(verified, checks);
  const isMeasured = rims.length > 0;
  findings.reportData = sharedNonce(verified);
  findings.claims = claimsOf(verified, evidence, context, isMeasured);
  checkReportData(findings.reportData, context);
  checkCodeIdentity(context, () => ({ given: isMeasured ? 1 : 0, matched: isMeasured }));
}
