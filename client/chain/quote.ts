/**
 * DCAP collateral as the transactions that bring it to the registry `DcapCollateral` (contracts/src/quote). Nothing is
 * verified here: the registry does, and refuses with the errors of its ABI.
 */
import { bytesToHex, decodeErrorResult, encodeFunctionData, keccak256, stringToHex, type Hex } from "viem";
import {
  crlBytes,
  parseCertificate,
  parsePem,
  type Certificate,
  type DcapCollateral,
} from "../../attestation/index.ts";
import { equal, toBase64, utf8 } from "../../codec/index.ts";
import { DCAP_COLLATERAL_ABI, TDX_QUOTE_VERIFIER_ABI } from "./quote-abi.ts";

/** One call of the registry, with what it brings. */
export interface CollateralCall {
  readonly brings:
    | "root CRL"
    | "TCB info signer"
    | "QE identity signer"
    | "PCK authority"
    | "PCK CRL"
    | "TCB info"
    | "QE identity";
  /** Calldata. */
  readonly data: Hex;
}

/** What the registry tells a certificate by: keccak256 of its base64, with padding and without line ends. 32 bytes. */
export function certificateId(der: Uint8Array): Hex {
  return keccak256(stringToHex(toBase64(der)));
}

function certificatesOf(pem: string): readonly Certificate[] {
  return parsePem(pem).map((der) => parseCertificate(der));
}

function firstOf(pem: string): Certificate {
  const [first] = certificatesOf(pem);
  if (first === undefined) throw new TypeError("collateral has an empty certificate chain");
  return first;
}

function postCertificate(brings: CollateralCall["brings"], { der }: Certificate): CollateralCall {
  const args = [bytesToHex(der)] as const;
  return {
    brings,
    data: encodeFunctionData({ abi: DCAP_COLLATERAL_ABI, functionName: "postCertificate", args }),
  };
}

function postCrl(brings: CollateralCall["brings"], authorityId: Hex, der: Uint8Array): CollateralCall {
  const args = [authorityId, bytesToHex(der)] as const;
  return { brings, data: encodeFunctionData({ abi: DCAP_COLLATERAL_ABI, functionName: "postCrl", args }) };
}

function postDocument(
  functionName: "postTcbInfo" | "postQeIdentity",
  text: string,
  signature: string,
  signer: Certificate,
): CollateralCall {
  const [r, s] = [`0x${signature.slice(0, 64)}`, `0x${signature.slice(64)}`] as const;
  const args = [bytesToHex(utf8(text)), r, s, certificateId(signer.der)] as const;
  const brings = functionName === "postTcbInfo" ? "TCB info" : "QE identity";
  return { brings, data: encodeFunctionData({ abi: DCAP_COLLATERAL_ABI, functionName, args }) };
}

function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return equal(issuer, subject);
}

/**
 * The calls that post all of a platform's collateral, in the order in which the registry takes them. Each can be sent
 * again: the registry keeps what it has where nothing is newer.
 * @param rootId the registry's `ROOT_ID`
 * @throws AttestationError `collateral_malformed`; X509Error, DerError where a certificate is none
 */
export function collateralCalls(collateral: DcapCollateral, rootId: Hex): readonly CollateralCall[] {
  const tcbSigner = firstOf(collateral.tcb_info_issuer_chain);
  const qeSigner = firstOf(collateral.qe_identity_issuer_chain);
  const authority = firstOf(collateral.pck_crl_issuer_chain);
  const rootCrl = crlBytes(collateral.root_ca_crl, "root_ca_crl");
  const pckCrl = crlBytes(collateral.pck_crl, "pck_crl");
  const calls = [postCrl("root CRL", rootId, rootCrl), postCertificate("TCB info signer", tcbSigner)];
  if (!equal(tcbSigner.der, qeSigner.der)) calls.push(postCertificate("QE identity signer", qeSigner));
  if (!isSelfIssued(authority)) {
    calls.push(postCertificate("PCK authority", authority));
    calls.push(postCrl("PCK CRL", certificateId(authority.der), pckCrl));
  }
  calls.push(postDocument("postTcbInfo", collateral.tcb_info, collateral.tcb_info_signature, tcbSigner));
  calls.push(
    postDocument("postQeIdentity", collateral.qe_identity, collateral.qe_identity_signature, qeSigner),
  );
  return calls;
}

/** Errors of the contracts whose names do not follow the verifier's codes. */
const OTHER_CODES: Readonly<Record<string, string>> = {
  DebugEnclave: "debug_enabled",
  DerTruncated: "certificate_malformed",
  DerLength: "certificate_malformed",
  DerTag: "certificate_malformed",
  DerTrailing: "certificate_malformed",
  DerValue: "certificate_malformed",
  Base64Malformed: "certificate_malformed",
  ParsingFailed: "collateral_malformed",
};

/**
 * The code of `attestation/` for an error of the contracts: its name in snake case, but for a few.
 * @param data what the call reverted with
 * @returns undefined where it is no error of these contracts
 */
export function refusalCode(data: Hex): string | undefined {
  try {
    const { errorName } = decodeErrorResult({ abi: TDX_QUOTE_VERIFIER_ABI, data });
    return OTHER_CODES[errorName] ?? errorName.replaceAll(/(?<!^)([A-Z])/g, "_$1").toLowerCase();
  } catch {
    return undefined;
  }
}
