/**
 * What a TDX quote costs on chain: transactions on anvil, with the real quote of the vectors and its collateral where they are
 * present, else generated ones.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bytesToHex, encodeFunctionData, hexToBytes, type Hex, type TransactionReceipt } from "viem";
import { INTEL_SGX_ROOT, parseCollateral, type DcapCollateral } from "../attestation/index.ts";
import * as evidence from "../attestation/testing/dcap.ts";
import { VECTORS_FOLDER } from "../attestation/testing/vectors.ts";
import { tdxQuoteVerifierAbi } from "../client/chain/contracts/tdx-quote-verifier.ts";
import { startAnvil } from "../test/anvil.ts";
import { deployQuoteVerifier } from "../test/quote-chain.ts";
import { figure, type Figure } from "./report.ts";

const REAL = join(VECTORS_FOLDER, "dcap", "tdx4-phala-2025-07");
export const TRANSACTION_GAS = 21_000n;
const RUNS = 3;

interface Subject {
  readonly quote: Uint8Array;
  readonly collateral: DcapCollateral;
  readonly root: Uint8Array;
  readonly nowSeconds: number;
}

function subject(): Subject {
  if (!existsSync(REAL)) {
    const root = evidence.rootCertificate(evidence.testPki());
    const nowSeconds = evidence.TEST_NOW.getTime() / 1000;
    return {
      quote: evidence.testQuote("tdx4"),
      collateral: evidence.testCollateral("tdx4"),
      root,
      nowSeconds,
    };
  }
  const json = (name: string) => JSON.parse(readFileSync(join(REAL, name), "utf8"));
  return {
    quote: new Uint8Array(readFileSync(join(REAL, "quote.bin"))),
    collateral: parseCollateral(json("collateral.json")),
    root: INTEL_SGX_ROOT.certificate.der,
    nowSeconds: json("expect.json").now,
  };
}

/** EIP-2028 and EIP-7623: what a transaction pays for its data as a rule, and at least. */
export function calldataGas(data: Hex): { usual: bigint; floor: bigint } {
  const bytes = hexToBytes(data);
  const zeros = bytes.filter((byte) => byte === 0).length;
  const tokens = BigInt(zeros + 4 * (bytes.length - zeros));
  return { usual: 4n * tokens, floor: 10n * tokens };
}

/** What a call took, less the transaction's own gas and its data's. @throws where the floor hides it */
export function executionGas({ gasUsed }: TransactionReceipt, data: Hex): number {
  const { usual, floor } = calldataGas(data);
  if (gasUsed <= TRANSACTION_GAS + floor) throw new Error("the calldata floor hides what the call took");
  return Number(gasUsed - TRANSACTION_GAS - usual);
}

/** @returns figures, and whose quote it was */
export async function quoteGas(): Promise<{ figures: Figure[]; quote: "real" | "generated" }> {
  const { quote, collateral, root, nowSeconds } = subject();
  const chain = await startAnvil({ nowSeconds });
  try {
    const { verifier, post } = await deployQuoteVerifier(chain, root);
    const posted = await post(collateral);
    if (posted.code !== "ok") throw new Error(`collateral is refused: ${posted.code}`);
    const args = [bytesToHex(quote)] as const;
    const data = encodeFunctionData({
      abi: tdxQuoteVerifierAbi,
      functionName: "verifyAnyReportData",
      args,
    });
    const receipts: TransactionReceipt[] = [];
    for (let run = 0; run < RUNS; run++) receipts.push(await chain.send(data, verifier.address));
    const gas = { unit: "gas", better: "lower" } as const;
    const whole = receipts.map(({ gasUsed }) => Number(gasUsed));
    const collateralGas = Object.values(posted.gasUsed).reduce((sum, used) => sum + used, 0n);
    return {
      quote: existsSync(REAL) ? "real" : "generated",
      figures: [
        figure(
          "tdx_quote",
          receipts.map((receipt) => executionGas(receipt, data)),
          { ...gas, aim: 1_000_000 },
        ),
        figure("tdx_quote.transaction", whole, gas),
        figure("tdx_quote.calldata_floor", [Number(TRANSACTION_GAS + calldataGas(data).floor)], gas),
        figure("tdx_quote.first_time", [Number(collateralGas) + whole[0]!], gas),
      ],
    };
  } finally {
    await chain.stop();
  }
}
