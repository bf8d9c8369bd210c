/**
 * A TEE that is simulated: genuine TDX quotes (format 4) in every byte, under the project's own root, whose keys are
 * public. They let the code that verifies hardware verify a machine without any, and prove nothing.
 */
import { generateKeyPairSync, sign as signWithOpenSsl } from "node:crypto";
import { fromBase64Url, concat } from "../../codec/index.ts";
import type { Json } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { CERTIFICATION, TEE_TDX } from "../parse/dcap-fields.ts";
import type { Attester } from "./attester.ts";
import { SimulatedRegister } from "./measurement-register.ts";
import { PCK_KEY, simulatedCertification, simulatedCollateral } from "./simulated-platform.ts";
import { simulatedQeReport, simulatedTdReport } from "./simulated-platform.ts";
import { sign } from "./simulated-pki.ts";
import { buildQuote, qeReportData } from "./simulated-quote.ts";
import type { QuoteSigner } from "./simulated-quote.ts";

const QE_AUTH_DATA = Uint8Array.from({ length: 32 }, (_, i) => i);

export function createSimulatedSigner(): QuoteSigner {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x, y } = publicKey.export({ format: "jwk" });
  const attestationKey = concat(fromBase64Url(x!), fromBase64Url(y!));
  const qeReport = simulatedQeReport(qeReportData(attestationKey, QE_AUTH_DATA));
  return {
    attestationKey,
    sign: (message) => signWithOpenSsl("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" }),
    qeReport,
    qeReportSignature: sign(PCK_KEY, qeReport),
    qeAuthData: QE_AUTH_DATA,
    certificationType: CERTIFICATION.pckChain,
    certification: simulatedCertification(),
  };
}

/** Makes its own endorsements too: nobody publishes them. */
export interface SimulatedAttester extends Attester {
  /** Collateral that is valid at `now`. */
  endorsements(now: Date): Promise<Json>;
}

/** An attester whose attestation key is new; making one takes some milliseconds, a quote much less than one. */
export function createSimulatedAttester({ hasRegister = true } = {}): SimulatedAttester {
  const signer = createSimulatedSigner();
  const register = new SimulatedRegister();
  const quote = async (reportData: Uint8Array): Promise<Uint8Array> => {
    if (reportData.length !== 64) throw new AttestationError("report_data_size", "report data has 64 bytes");
    const body = simulatedTdReport(reportData, register.value);
    return buildQuote({ version: 4, teeType: TEE_TDX, body }, signer);
  };
  return {
    type: "tdx",
    name: "simulated",
    simulated: true,
    quote,
    collect: async (reportData) => ({ quote: await quote(reportData), certificates: [] }),
    register: hasRegister ? register : undefined,
    close: async () => undefined,
    async endorsements(now) {
      return simulatedCollateral(now) as Json;
    },
  };
}
