/**
 * The roots that DCAP evidence may lead to: Intel's, and the project's own for simulated evidence.
 */
import { fromBase64 } from "../../codec/index.ts";
import { parseCertificate } from "../verify/x509.ts";
import type { Certificate } from "../verify/x509.ts";

export interface DcapRoot {
  readonly name: string;
  readonly certificate: Certificate;
  /** SHA-256 of the certificate, lower-case hex. */
  readonly fingerprint: string;
  /** Whether evidence under it is simulated: its private key is public. */
  readonly simulated: boolean;
  /** The common names of what may sign under it; unchecked where absent. */
  readonly signers?: { readonly tcbSigning: string; readonly pck: string };
}

/**
 * Intel SGX Root CA, valid to 2049-12-31. Intel publishes it as
 * `certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.cer`.
 */
export const INTEL_SGX_ROOT: DcapRoot = {
  name: "Intel SGX Root CA",
  simulated: false,
  signers: { tcbSigning: "Intel SGX TCB Signing", pck: "Intel SGX PCK Certificate" },
  fingerprint: "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3",
  certificate: parseCertificate(
    fromBase64(
      "MIICjzCCAjSgAwIBAgIUImUM1lqdNInzg7SVUr9QGzknBqwwCgYIKoZIzj0EAwIwaDEaMBgGA1UEAwwRSW50ZWwgU0dY" +
        "IFJvb3QgQ0ExGjAYBgNVBAoMEUludGVsIENvcnBvcmF0aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFyYTELMAkGA1UECAwC" +
        "Q0ExCzAJBgNVBAYTAlVTMB4XDTE4MDUyMTEwNDUxMFoXDTQ5MTIzMTIzNTk1OVowaDEaMBgGA1UEAwwRSW50ZWwgU0dY" +
        "IFJvb3QgQ0ExGjAYBgNVBAoMEUludGVsIENvcnBvcmF0aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFyYTELMAkGA1UECAwC" +
        "Q0ExCzAJBgNVBAYTAlVTMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC6nEwMDIYZOj/iPWsCzaEKi71OiOSLRFhWGj" +
        "bnBVJfVnkY4u3IjkDYYL0MxO4mqsyYjlBalTVYxFP2sJBK5zlKOBuzCBuDAfBgNVHSMEGDAWgBQiZQzWWp00ifODtJVS" +
        "v1AbOScGrDBSBgNVHR8ESzBJMEegRaBDhkFodHRwczovL2NlcnRpZmljYXRlcy50cnVzdGVkc2VydmljZXMuaW50ZWwu" +
        "Y29tL0ludGVsU0dYUm9vdENBLmRlcjAdBgNVHQ4EFgQUImUM1lqdNInzg7SVUr9QGzknBqwwDgYDVR0PAQH/BAQDAgEG" +
        "MBIGA1UdEwEB/wQIMAYBAf8CAQEwCgYIKoZIzj0EAwIDSQAwRgIhAOW/5QkR+S9CiSDcNoowLuPRLsWGf/Yi7GSX94Bg" +
        "wTwgAiEA4J0lrHoMs+Xo5o/sX6O9QWxHRAvZUGOdRQ7cvqRXaqI=",
    ),
  ),
};

/**
 * The root of simulated evidence. `attest/simulated-platform.ts` makes this very certificate from a public key pair:
 * whatever leads here proves nothing, and only a policy that names simulation accepts it.
 */
export const SIMULATED_SGX_ROOT: DcapRoot = {
  name: "Affidavit Simulated SGX Root CA",
  simulated: true,
  signers: { tcbSigning: "Affidavit Simulated TCB Signing", pck: "Affidavit Simulated PCK Certificate" },
  fingerprint: "c28cd958d30bb14f1b6afcdb197f1c2dfe72b6d52275d44e3c9ef2888b1d2a12",
  certificate: parseCertificate(
    fromBase64(
      "MIICFTCCAbygAwIBAgIQQA5It/zCB5/g24ahvVmSlTAKBggqhkjOPQQDAjBZMSgwJgYDVQQDDB9BZmZpZGF2aXQgU2lt" +
        "dWxhdGVkIFNHWCBSb290IENBMS0wKwYDVQQKDCRBZmZpZGF2aXQgc2ltdWxhdGlvbiwgcHJvdmVzIG5vdGhpbmcwHhcN" +
        "MjUwMTAxMDAwMDAwWhcNNDkxMjMxMjM1OTU5WjBZMSgwJgYDVQQDDB9BZmZpZGF2aXQgU2ltdWxhdGVkIFNHWCBSb290" +
        "IENBMS0wKwYDVQQKDCRBZmZpZGF2aXQgc2ltdWxhdGlvbiwgcHJvdmVzIG5vdGhpbmcwWTATBgcqhkjOPQIBBggqhkjO" +
        "PQMBBwNCAAS5Kq/tl6paR0gAO3PaY4lEH69neDZHMhzo8OAzyxsTlFeAAtdsstIpJlNcKmy9YRy/oW3G7Z5sAfsgsWge" +
        "ay3yo2YwZDAfBgNVHSMEGDAWgBQygW2hh7ascvzA9MT6kJWLPVfKLTAdBgNVHQ4EFgQUMoFtoYe2rHL8wPTE+pCViz1X" +
        "yi0wDgYDVR0PAQH/BAQDAgEGMBIGA1UdEwEB/wQIMAYBAf8CAQEwCgYIKoZIzj0EAwIDRwAwRAIgdFdkOzf1uYPAKSoC" +
        "S9fgrbDtqTPBEcX2jIl+Qu+LpaYCICMB3mrlGg6QWxyWwt2tWT9/zJUky+SoGleKdEdVlNep",
    ),
  ),
};
