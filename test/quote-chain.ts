/** The contracts that verify TDX quotes, on a test chain, asked as the TypeScript verifier is asked. */
import { BaseError, bytesToHex, decodeFunctionResult, encodeFunctionData, isHex, type Hex } from "viem";
import type { DcapCollateral } from "../attestation/index.ts";
import { collateralCalls, refusalCode } from "../client/chain/quote.ts";
import { dcapCollateralAbi } from "../client/chain/contracts/dcap-collateral.ts";
import { tdxQuoteVerifierAbi } from "../client/chain/contracts/tdx-quote-verifier.ts";
import type { Chain } from "./anvil.ts";

/** As the enum of contracts/src/interfaces/IQuoteVerifier.sol has them. */
const TCB_STATUSES = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
  "OutOfDate",
  "OutOfDateConfigurationNeeded",
  "Revoked",
];

/** Either a code of refusal, or `ok` and what was found. */
export interface ChainAnswer {
  readonly code: string;
  readonly tcbStatus?: string;
  readonly technology?: number;
  readonly registers?: Hex;
  readonly reportData?: Hex;
  readonly expiresAtSeconds?: bigint;
}

/** What a call reverted with. @throws the error itself where it is no revert */
export function revertData(error: unknown): Hex {
  let data: unknown;
  if (error instanceof BaseError) {
    error.walk((cause) => {
      const found = (cause as { data?: unknown } | null)?.data;
      const inner = (found as { data?: unknown } | null)?.data;
      if (isHex(found)) data = found;
      else if (isHex(inner)) data = inner;
      return false;
    });
  }
  if (!isHex(data)) throw error;
  return data;
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    const data = revertData(error);
    return refusalCode(data) ?? data;
  }
}

export async function deployQuoteVerifier(chain: Chain, root: Uint8Array) {
  const registry = await chain.deploy("DcapCollateral", [bytesToHex(root), "", ""]);
  const verifier = await chain.deploy("TdxQuoteVerifier", [registry.address]);
  const rootId = await chain.reader.readContract({
    address: registry.address,
    abi: dcapCollateralAbi,
    functionName: "ROOT_ID",
  });

  /** Posts all of it, up to the first that is refused. @returns its code, or `ok`, and the gas of each transaction */
  const post = async (collateral: DcapCollateral) => {
    const gasUsed: Record<string, bigint> = {};
    for (const { brings, data } of collateralCalls(collateral, rootId)) {
      const code = await codeOf(
        chain.send(data, registry.address).then((receipt) => (gasUsed[brings] = receipt.gasUsed)),
      );
      if (code !== "ok") return { code, brings, gasUsed };
    }
    return { code: "ok", gasUsed };
  };
  /** @param atSeconds another time than the newest block's */
  const verify = async (quote: Uint8Array, atSeconds?: number): Promise<ChainAnswer> => {
    const call = {
      abi: tdxQuoteVerifierAbi,
      functionName: "verifyAnyReportData",
      args: [bytesToHex(quote)],
    } as const;
    const read = chain.reader.call({
      to: verifier.address,
      data: encodeFunctionData(call),
      ...(atSeconds && { blockOverrides: { time: BigInt(atSeconds) } }),
    });
    const code = await codeOf(read);
    if (code !== "ok") return { code };
    const { data } = await read;
    const [{ tcbStatus, technology, registers, expiresAtSeconds }, reportData] = decodeFunctionResult({
      ...call,
      data: data!,
    });
    return { code, tcbStatus: TCB_STATUSES[tcbStatus]!, technology, registers, reportData, expiresAtSeconds };
  };
  return { registry, verifier, rootId, post, verify };
}

/** Calldata of the call that an enclave registry makes. */
export function verifyCall(quote: Uint8Array, reportDataHead: Hex): Hex {
  return encodeFunctionData({
    abi: tdxQuoteVerifierAbi,
    functionName: "verifyQuote",
    args: [bytesToHex(quote), reportDataHead],
  });
}

/** The code of a call that is only simulated. */
export function codeOfCall(chain: Chain, to: Hex, data: Hex): Promise<string> {
  return codeOf(chain.reader.call({ to, data, gas: 30_000_000n }));
}
