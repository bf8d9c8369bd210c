/**
 * DCAP collateral as the transactions that bring it to the registry `DcapCollateral` (contracts/src/quote). Nothing is
 * verified here: the registry does, and refuses with the errors of its ABI.
 */
import {
  bytesToHex,
  decodeErrorResult,
  encodeFunctionData,
  keccak256,
  stringToHex,
  type Address,
  type Hex,
  type PublicClient,
} from "viem";
import {
  crlBytes,
  parseCertificate,
  parseCrl,
  parsePem,
  parseQeIdentity,
  parseTcbInfo,
  type Certificate,
  type DcapCollateral,
} from "../../attestation/index.ts";
import { concat, equal, toBase64, utf8 } from "../../codec/index.ts";
import { dcapCollateralAbi } from "./contracts/dcap-collateral.ts";
import { CONTRACT_ERRORS, errorCode } from "./reverts.ts";

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

interface Step extends CollateralCall {
  /** Whether the registry has it already, or something newer. */
  isThere(registry: Registry): Promise<boolean>;
}

/** What a registry tells of what it has. */
class Registry {
  private readonly reader: PublicClient;
  private readonly contract: { readonly address: Address; readonly abi: typeof dcapCollateralAbi };

  constructor(reader: PublicClient, address: Address) {
    this.reader = reader;
    this.contract = { address, abi: dcapCollateralAbi };
  }

  rootId(): Promise<Hex> {
    return this.reader.readContract({ ...this.contract, functionName: "ROOT_ID" });
  }

  async hasCertificate(id: Hex): Promise<boolean> {
    const found = await this.reader.readContract({
      ...this.contract,
      functionName: "certificates",
      args: [id],
    });
    return found[6] !== 0;
  }

  async hasCrl(authorityId: Hex, thisUpdate: number): Promise<boolean> {
    const { reader, contract } = this;
    const args = [authorityId] as const;
    const authority = await reader.readContract({ ...contract, functionName: "authorityOf", args });
    const found = await reader.readContract({ ...contract, functionName: "crls", args: [authority] });
    return found[1] >= thisUpdate;
  }

  /** @param platform FMSPC ‖ PCE id, 8 bytes; the QE identity where absent */
  async hasDocument({ evaluationDataNumber, issueDate }: Dated, platform?: Hex): Promise<boolean> {
    const { reader, contract } = this;
    const [, foundDate, , foundNumber] =
      platform === undefined
        ? await reader.readContract({ ...contract, functionName: "qeIdentity" })
        : await reader.readContract({ ...contract, functionName: "tcbInfos", args: [platform] });
    return (
      foundNumber > evaluationDataNumber || (foundNumber === evaluationDataNumber && foundDate >= issueDate)
    );
  }
}

interface Dated {
  readonly evaluationDataNumber: number;
  readonly issueDate: number;
}

/** What the registry tells a certificate by: keccak256 of its base64, with padding and without line ends. 32 bytes. */
export function certificateId(der: Uint8Array): Hex {
  return keccak256(stringToHex(toBase64(der)));
}

function firstOf(pem: string): Certificate {
  const [first] = parsePem(pem);
  if (first === undefined) throw new TypeError("collateral has an empty certificate chain");
  return parseCertificate(first);
}

function certificateStep(brings: Step["brings"], { der }: Certificate): Step {
  const args = [bytesToHex(der)] as const;
  return {
    brings,
    data: encodeFunctionData({ abi: dcapCollateralAbi, functionName: "postCertificate", args }),
    isThere: (registry) => registry.hasCertificate(certificateId(der)),
  };
}

function crlStep(brings: Step["brings"], authorityId: Hex, der: Uint8Array): Step {
  const args = [authorityId, bytesToHex(der)] as const;
  return {
    brings,
    data: encodeFunctionData({ abi: dcapCollateralAbi, functionName: "postCrl", args }),
    isThere: async (registry) => await registry.hasCrl(authorityId, parseCrl(der).thisUpdate),
  };
}

function documentArguments(text: string, signature: string, signer: Certificate) {
  const [r, s] = [`0x${signature.slice(0, 64)}`, `0x${signature.slice(64)}`] as const;
  return [bytesToHex(utf8(text)), r, s, certificateId(signer.der)] as const;
}

function tcbInfoStep({ tcb_info, tcb_info_signature }: DcapCollateral, signer: Certificate): Step {
  const args = documentArguments(tcb_info, tcb_info_signature, signer);
  return {
    brings: "TCB info",
    data: encodeFunctionData({ abi: dcapCollateralAbi, functionName: "postTcbInfo", args }),
    isThere: async (registry) => {
      const parsed = parseTcbInfo(tcb_info);
      return await registry.hasDocument(parsed, bytesToHex(concat(parsed.fmspc, parsed.pceId)));
    },
  };
}

function qeIdentityStep({ qe_identity, qe_identity_signature }: DcapCollateral, signer: Certificate): Step {
  const args = documentArguments(qe_identity, qe_identity_signature, signer);
  return {
    brings: "QE identity",
    data: encodeFunctionData({ abi: dcapCollateralAbi, functionName: "postQeIdentity", args }),
    isThere: async (registry) => await registry.hasDocument(parseQeIdentity(qe_identity)),
  };
}

function stepsOf(collateral: DcapCollateral, rootId: Hex): readonly Step[] {
  const tcbSigner = firstOf(collateral.tcb_info_issuer_chain);
  const qeSigner = firstOf(collateral.qe_identity_issuer_chain);
  const authority = firstOf(collateral.pck_crl_issuer_chain);
  const steps = [
    crlStep("root CRL", rootId, crlBytes(collateral.root_ca_crl, "root_ca_crl")),
    certificateStep("TCB info signer", tcbSigner),
  ];
  if (!equal(tcbSigner.der, qeSigner.der)) steps.push(certificateStep("QE identity signer", qeSigner));
  if (!equal(authority.issuer, authority.subject)) {
    steps.push(certificateStep("PCK authority", authority));
    const pckCrl = crlBytes(collateral.pck_crl, "pck_crl");
    steps.push(crlStep("PCK CRL", certificateId(authority.der), pckCrl));
  }
  return [...steps, tcbInfoStep(collateral, tcbSigner), qeIdentityStep(collateral, qeSigner)];
}

/**
 * The calls that post all of a platform's collateral, in the order in which the registry takes them.
 * @param rootId the registry's `ROOT_ID`
 * @throws AttestationError `collateral_malformed`; X509Error, DerError where a certificate is none
 */
export function collateralCalls(collateral: DcapCollateral, rootId: Hex): readonly CollateralCall[] {
  return stepsOf(collateral, rootId).map(({ brings, data }) => ({ brings, data }));
}

/**
 * The calls that bring what the registry does not have yet; it may have newer of the others, which it would not replace.
 * @throws as `collateralCalls`, AttestationError `tcb_info_malformed`, `qe_identity_malformed`; viem's errors where the chain cannot be read
 */
export async function pendingCollateralCalls(
  reader: PublicClient,
  registryAddress: Address,
  collateral: DcapCollateral,
): Promise<readonly CollateralCall[]> {
  const registry = new Registry(reader, registryAddress);
  const pending: CollateralCall[] = [];
  for (const { brings, data, isThere } of stepsOf(collateral, await registry.rootId())) {
    if (!(await isThere(registry))) pending.push({ brings, data });
  }
  return pending;
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
    const { errorName } = decodeErrorResult({ abi: CONTRACT_ERRORS, data });
    return OTHER_CODES[errorName] ?? errorCode(errorName);
  } catch {
    return undefined;
  }
}
