/** The contracts' typed errors, as errors here. */
import {
  BaseError,
  ContractFunctionRevertedError,
  ContractFunctionZeroDataError,
  HttpRequestError,
  InsufficientFundsError,
  TimeoutError,
} from "viem";
import { automataQuoteVerifierAbi } from "./contracts/automata-quote-verifier.ts";
import { checkpointAnchorAbi } from "./contracts/checkpoint-anchor.ts";
import { developmentQuoteVerifierAbi } from "./contracts/development-quote-verifier.ts";
import { dcapCollateralAbi } from "./contracts/dcap-collateral.ts";
import { intelDocumentsAbi } from "./contracts/intel-documents.ts";
import { inferenceCoordinatorAbi } from "./contracts/inference-coordinator.ts";
import { receiptVerifierAbi } from "./contracts/receipt-verifier.ts";
import { tdxQuoteVerifierAbi } from "./contracts/tdx-quote-verifier.ts";
import { zkInferenceVerifierAbi } from "./contracts/zk-inference-verifier.ts";
import { agentVerifierAbi } from "./contracts/agent-verifier.ts";
import { inferenceValidatorAbi } from "./contracts/inference-validator.ts";
import { receiptProofVerifierAbi } from "./contracts/receipt-proof-verifier.ts";
import { validationRegistryAbi } from "./contracts/validation-registry.ts";
import { zkProofVerifierAbi } from "./contracts/zk-proof-verifier.ts";
import { zkmlRegistryAbi } from "./contracts/zkml-registry.ts";
import { zkmlVerifierAbi } from "./contracts/zkml-verifier.ts";
import { ChainError } from "./error.ts";

type AbiError = {
  readonly type: "error";
  readonly name: string;
  readonly inputs: readonly { readonly type: string }[];
};

/** A call fails with the errors of all contracts that it reaches. */
export const CONTRACT_ERRORS = distinct([
  ...receiptVerifierAbi,
  ...checkpointAnchorAbi,
  ...inferenceCoordinatorAbi,
  ...zkInferenceVerifierAbi,
  ...developmentQuoteVerifierAbi,
  ...automataQuoteVerifierAbi,
  ...tdxQuoteVerifierAbi,
  ...dcapCollateralAbi,
  ...intelDocumentsAbi,
  ...agentVerifierAbi,
  ...inferenceValidatorAbi,
  ...receiptProofVerifierAbi,
  ...validationRegistryAbi,
  ...zkProofVerifierAbi,
  ...zkmlRegistryAbi,
  ...zkmlVerifierAbi,
]);

function distinct(entries: readonly { readonly type: string }[]): readonly AbiError[] {
  const errors = entries.filter((entry): entry is AbiError => entry.type === "error");
  const key = ({ name, inputs }: AbiError) => `${name}(${inputs.map(({ type }) => type).join()})`;
  return [...new Map(errors.map((error) => [key(error), error])).values()];
}

/** `AudienceMismatch` as `audience_mismatch`. */
export function errorCode(name: string): string {
  return name.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, "_").toLowerCase();
}

function asChainError(error: unknown): unknown {
  if (!(error instanceof BaseError)) return error;
  const reverted = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
  if (reverted instanceof ContractFunctionRevertedError) {
    const { errorName: name, args = [] } = reverted.data ?? {};
    const message = name
      ? `the contract refused: ${name}(${args.map(String).join(", ")})`
      : `the contract refused: ${reverted.reason ?? reverted.signature ?? "no reason"}`;
    return new ChainError("contract_reverted", message, { detail: name && errorCode(name), cause: error });
  }
  const has = (type: abstract new (...args: never[]) => Error) =>
    error.walk((cause) => cause instanceof type) !== null;
  if (has(ContractFunctionZeroDataError))
    return new ChainError("contract_missing", "no such contract at that address of this chain", {
      cause: error,
    });
  if (has(InsufficientFundsError))
    return new ChainError("funds_insufficient", "the account cannot pay for the transaction", {
      cause: error,
    });
  if (has(HttpRequestError) || has(TimeoutError))
    return new ChainError("chain_unreachable", "the chain's RPC endpoint does not answer", { cause: error });
  return new ChainError("transaction_failed", error.shortMessage, { cause: error });
}

/** @throws ChainError for what viem throws */
export async function onChain<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw asChainError(error);
  }
}
