/** A keyset onto a chain: its text and a quote over a nonce that the chain gave. */
import { bytesToHex, decodeFunctionData, stringToHex, type Address, type Hex, type PublicClient } from "viem";
import { parseCollateral } from "../../attestation/index.ts";
import { toHex } from "../../codec/index.ts";
import { keysetDigest, parseAttestation, parseKeyset } from "../../receipts/index.ts";
import { AffidavitError } from "../errors.ts";
import { dcapCollateralAbi } from "./contracts/dcap-collateral.ts";
import { receiptVerifierAbi } from "./contracts/receipt-verifier.ts";
import type { Deployment } from "./deployment.ts";
import { ChainError } from "./error.ts";
import { pendingCollateralCalls } from "./quote.ts";
import { DEFAULT_MASK, quoteRegisters, referenceValueId, type Technology } from "./reference-value.ts";
import { onChain } from "./reverts.ts";
import { send, type ChainWriter, type Sent } from "./send.ts";

/** JSON text of `GET /v1/attestation?nonce=`. */
export type AskAttestation = (nonce: string) => Promise<string>;

export interface Registration {
  keysetDigest: Hex;
  signer: Address;
  referenceValueId: Hex;
  technology: Technology;
  expiresAtSeconds: bigint;
  /** Whether the registry's owner lists the code. */
  listed: boolean;
}

/** The key of a keyset as the registry packs it in one word (IEnclaveRegistry.sol). */
export function unpackKey(word: bigint) {
  return {
    signer: `0x${(word & (2n ** 160n - 1n)).toString(16).padStart(40, "0")}` as Address,
    expiresAtSeconds: (word >> 160n) & (2n ** 40n - 1n),
    revokedAtSeconds: (word >> 200n) & (2n ** 40n - 1n),
    listed: ((word >> 240n) & 1n) === 1n,
    development: ((word >> 240n) & 2n) === 2n,
    tcbStatus: Number(word >> 248n),
  };
}

/**
 * Until when the registry lets a keyset's receipts count: Unix seconds, 0 for a keyset that it does not know.
 * @throws ChainError `contract_missing`, `chain_unreachable`
 */
export async function keysetEnd(
  reader: PublicClient,
  receiptVerifier: Address,
  keysetDigest32: Uint8Array,
): Promise<bigint> {
  const call = { address: receiptVerifier, abi: receiptVerifierAbi, functionName: "keyOf" } as const;
  const args = [bytesToHex(keysetDigest32)] as const;
  return unpackKey(await onChain(() => reader.readContract({ ...call, args }))).expiresAtSeconds;
}

/**
 * Registers the keyset that the service uses now. Whoever pays is of no account: the contract believes the quote alone.
 * @param mask which registers identify the code, see `referenceValueId`
 * @throws ChainError `contract_reverted`, `evidence_unsupported`; AffidavitError where the service does not answer as one
 */
export async function registerKeyset(
  writer: ChainWriter,
  deployment: Deployment,
  ask: AskAttestation,
  mask = DEFAULT_MASK,
): Promise<{ registration: Registration; sent: Sent; posted: readonly Posted[] }> {
  const { reader } = writer;
  const contract = { address: deployment.receiptVerifier, abi: receiptVerifierAbi } as const;
  // The newest block may yet be replaced by another.
  const newest = await onChain(() => reader.getBlockNumber());
  const blockNumber = newest > 2n ? newest - 2n : 0n;
  const nonce = await onChain(() =>
    reader.readContract({ ...contract, functionName: "nonceAt", args: [blockNumber] }),
  );
  const { keyset, fresh, endorsements } = parseAttestation(await ask(nonce.slice(2)));
  if (!fresh || toHex(fresh.nonce) !== nonce.slice(2))
    throw new AffidavitError("server_response_invalid", "the evidence is not over the chain's nonce");
  if (fresh.type !== "tdx")
    throw new ChainError("evidence_unsupported", `no contract verifies ${fresh.type} yet`);
  const { simulated } = parseKeyset(keyset).attester;
  const technology: Technology = simulated ? "development" : "tdx";
  const verifier = verifierFor(deployment, technology);
  const posted =
    verifier === deployment.quoteVerifiers.tdx ? await postCollateral(writer, deployment, endorsements) : [];
  const registration = {
    keyset: stringToHex(keyset),
    quote: bytesToHex(fresh.quote),
    verifier,
    blockNumber,
    mask,
  };
  const sent = await send(writer, { ...contract, functionName: "register", args: [registration] });
  const digest = bytesToHex(keysetDigest(keyset));
  const word = await onChain(() =>
    reader.readContract({ ...contract, functionName: "keyOf", args: [digest] }),
  );
  const { signer, expiresAtSeconds, listed } = unpackKey(word);
  return {
    registration: {
      keysetDigest: digest,
      signer,
      referenceValueId: referenceValueId(technology, quoteRegisters(fresh.quote), mask),
      technology,
      expiresAtSeconds,
      listed,
    },
    sent,
    posted,
  };
}

/** One piece of collateral, as its registry took it. */
export type Posted = Sent & { brings: string };

/**
 * Posts what the registry lacks of a TDX platform's collateral.
 * @throws ChainError `contract_reverted` with the registry's error; AttestationError where it is no collateral
 */
async function postCollateral(
  writer: ChainWriter,
  { dcapCollateral: address }: Deployment,
  endorsements: unknown,
): Promise<Posted[]> {
  if (address === undefined) return [];
  const contract = { address, abi: dcapCollateralAbi } as const;
  const collateral = parseCollateral(endorsements);
  const calls = await onChain(() => pendingCollateralCalls(writer.reader, address, collateral));
  const posted: Posted[] = [];
  for (const { brings, data } of calls) {
    const { functionName, args } = decodeFunctionData({ abi: dcapCollateralAbi, data });
    posted.push({ brings, ...(await send(writer, { ...contract, functionName, args } as never)) });
  }
  return posted;
}

function verifierFor({ quoteVerifiers }: Deployment, technology: Technology): Address {
  const verifier =
    (technology === "development" ? quoteVerifiers.development : undefined) ??
    quoteVerifiers.tdx ??
    quoteVerifiers.automata;
  if (verifier === undefined)
    throw new ChainError("evidence_unsupported", `the deployment has no verifier of ${technology} quotes`);
  return verifier;
}

/**
 * The reference value of the code that the service attests now. Its evidence is not verified here: list it only where
 * you know the code, or where nothing is at stake.
 * @throws ChainError `evidence_unsupported`; AffidavitError
 */
export async function attestedReferenceValue(ask: AskAttestation, mask = DEFAULT_MASK): Promise<Hex> {
  const nonce = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const { keyset, fresh } = parseAttestation(await ask(nonce));
  if (!fresh) throw new AffidavitError("server_response_invalid", "the service gave no fresh evidence");
  const technology = parseKeyset(keyset).attester.simulated ? "development" : "tdx";
  return referenceValueId(technology, quoteRegisters(fresh.quote), mask);
}
