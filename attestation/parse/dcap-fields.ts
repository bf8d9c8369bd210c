/**
 * The byte layouts of DCAP quotes (Intel SGX ECDSA QuoteLib reference and Intel TDX DCAP quoting library API, quote
 * formats 3, 4 and 5). Every integer is little-endian. Parser, generator and tamper tests all read these tables.
 */

export interface Field {
  readonly name: string;
  readonly byteLength: number;
}

type Entry = readonly [name: string, byteLength: number];

function table<const T extends readonly Entry[]>(
  entries: T,
): { readonly name: T[number][0]; readonly byteLength: number }[] {
  return entries.map(([name, byteLength]) => ({ name, byteLength }));
}

/** Quote header, 48 bytes, the same in all formats; bytes 8 to 12 are QE SVN and PCE SVN in format 3, reserved later. */
export const HEADER_FIELDS = table([
  ["version", 2],
  ["attestationKeyType", 2],
  ["teeType", 4],
  ["qeSvn", 2],
  ["pceSvn", 2],
  ["qeVendorId", 16],
  ["userData", 20],
]);

/** SGX enclave report, 384 bytes: the body of format 3, and the QE report of every format. */
export const ENCLAVE_REPORT_FIELDS = table([
  ["cpuSvn", 16],
  ["miscSelect", 4],
  ["reserved20", 28],
  ["attributes", 16],
  ["mrEnclave", 32],
  ["reserved96", 32],
  ["mrSigner", 32],
  ["reserved160", 96],
  ["isvProdId", 2],
  ["isvSvn", 2],
  ["reserved260", 60],
  ["reportData", 64],
]);

const TD10 = [
  ["teeTcbSvn", 16],
  ["mrSeam", 48],
  ["mrSignerSeam", 48],
  ["seamAttributes", 8],
  ["tdAttributes", 8],
  ["xfam", 8],
  ["mrTd", 48],
  ["mrConfigId", 48],
  ["mrOwner", 48],
  ["mrOwnerConfig", 48],
  ["rtmr0", 48],
  ["rtmr1", 48],
  ["rtmr2", 48],
  ["rtmr3", 48],
  ["reportData", 64],
] as const satisfies readonly Entry[];

/** TD 1.0 report, 584 bytes. */
export const TD10_FIELDS = table(TD10);

/** TD 1.5 report, 648 bytes. */
export const TD15_FIELDS = table([...TD10, ["teeTcbSvn2", 16], ["mrServiceTd", 48]]);

/** What precedes the body in format 5. */
export const BODY_DESCRIPTOR_FIELDS = table([
  ["bodyType", 2],
  ["bodySize", 4],
]);

/** What follows the body: the length of the rest, the quote's signature and the key that made it. */
export const SIGNATURE_FIELDS = table([
  ["signatureDataLength", 4],
  ["quoteSignature", 64],
  ["attestationKey", 64],
]);

/** Formats 4 and 5 wrap the QE's part in certification data of type 6. */
export const CERTIFICATION_FIELDS = table([
  ["certificationType", 2],
  ["certificationSize", 4],
]);

/** The QE's part up to its variable fields. */
export const QE_FIELDS = table([
  ["qeReport", 384],
  ["qeReportSignature", 64],
  ["qeAuthDataLength", 2],
]);

export const HEADER_BYTES = 48;
export const ENCLAVE_REPORT_BYTES = 384;
export const TD10_BYTES = 584;
export const TD15_BYTES = 648;

export type TeeType = 0 | 0x81;
export const TEE_SGX = 0x00;
export const TEE_TDX = 0x81;
export const ATTESTATION_KEY_P256 = 2;
export const BODY_TYPE = { td10: 2, td15: 3 } as const;
export const CERTIFICATION = { encryptedPpid: 3, pckChain: 5, qeReport: 6 } as const;

/** Intel's QE vendor id, 939a7233-f79c-4ca9-940a-0db3957f0607. */
export const INTEL_QE_VENDOR_ID = "939a7233f79c4ca9940a0db3957f0607";
