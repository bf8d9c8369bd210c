/** Puts the contracts on a chain. */
import { bytesToHex, type Address, type Hex } from "viem";
import { dcapCollateralAbi, dcapCollateralCode } from "./contracts/dcap-collateral.ts";
import {
  developmentQuoteVerifierAbi,
  developmentQuoteVerifierCode,
} from "./contracts/development-quote-verifier.ts";
import { inferenceCoordinatorAbi, inferenceCoordinatorCode } from "./contracts/inference-coordinator.ts";
import { receiptVerifierAbi, receiptVerifierCode } from "./contracts/receipt-verifier.ts";
import { tdxQuoteVerifierAbi, tdxQuoteVerifierCode } from "./contracts/tdx-quote-verifier.ts";
import { zkInferenceVerifierAbi, zkInferenceVerifierCode } from "./contracts/zk-inference-verifier.ts";
import { anchorOf, DEVELOPMENT_CHAINS, type Deployment } from "./deployment.ts";
import { ChainError } from "./error.ts";
import { onChain } from "./reverts.ts";
import { deploy, type ChainWriter, type Sent } from "./send.ts";

/** SHA-256 of the verifying parts of the SRS whose proofs count, 32 bytes each; the list never changes. */
export interface ListedSrs {
  /** Of ceremonies that the owner vouches for. */
  ceremony: readonly Hex[];
  /** Whoever made one can forge proofs: chain ids 31337 and 1337 only. */
  development: readonly Hex[];
}

export interface DeployOptions {
  /** May change what is trusted, behind the delay. */
  owner: Address;
  /** Of changes that widen what is trusted; at least a day but on development chains. */
  delaySeconds: bigint;
  /** Ids of `referenceValueId`. */
  referenceValues: readonly Hex[];
  /** Bit i accepts `TcbStatus` i: 1 up to date, 2 software hardening needed, 4 configuration needed. */
  tcbStatuses: number;
  tcbFloor: number;
  /** Quote verifiers that are on the chain already. */
  quoteVerifiers: Deployment["quoteVerifiers"];
  /** Also deploys the verifier that vouches for nothing: chain ids 31337 and 1337 only. */
  development?: boolean;
  /** Also deploys the coordinator, and the verifier of the ZK proofs that its requests can ask for. */
  coordinator?: boolean;
  /** Whose proofs that verifier accepts; none where it is left out. */
  srs?: ListedSrs;
  /** Also deploys the verifier of TDX quotes under this root: a DER certificate, Intel's but on development chains. */
  tdxRoot?: Uint8Array;
}

export type Step = Sent & { name: string; address: Address };

/** @throws ChainError as `deploy` of send.ts; `deployment_invalid` for development contracts on another chain */
export async function deployContracts(
  writer: ChainWriter,
  options: DeployOptions,
): Promise<{ deployment: Deployment; steps: Step[] }> {
  const { owner, delaySeconds, referenceValues, tcbStatuses, tcbFloor } = options;
  const chainId = await onChain(() => writer.reader.getChainId());
  if ((options.development || options.srs?.development.length) && !DEVELOPMENT_CHAINS.includes(chainId))
    throw new ChainError("deployment_invalid", `chain ${chainId} is not for development`);
  const own = await deployQuoteVerifiers(writer, options);
  const quoteVerifiers = { ...options.quoteVerifiers, ...own.quoteVerifiers };
  const sent = await deploy(writer, {
    abi: receiptVerifierAbi,
    bytecode: receiptVerifierCode,
    args: [owner, delaySeconds, Object.values(quoteVerifiers), [...referenceValues], tcbStatuses, tcbFloor],
  });
  const receiptVerifier = sent.address;
  const checkpointAnchor = await anchorOf(writer.reader, receiptVerifier);
  const { dcapCollateral } = own;
  const steps = [...own.steps, { name: "ReceiptVerifier", ...sent }];
  const asked = options.coordinator ? await deployCoordinator(writer, receiptVerifier, options) : undefined;
  steps.push(...(asked?.steps ?? []));
  return {
    deployment: {
      chainId,
      receiptVerifier,
      checkpointAnchor,
      quoteVerifiers,
      ...(dcapCollateral === undefined ? {} : { dcapCollateral }),
      ...asked?.contracts,
    },
    steps,
  };
}

async function deployCoordinator(
  writer: ChainWriter,
  receiptVerifier: Address,
  { owner, delaySeconds, srs = { ceremony: [], development: [] } }: DeployOptions,
): Promise<{
  contracts: Required<Pick<Deployment, "inferenceCoordinator" | "zkInferenceVerifier">>;
  steps: Step[];
}> {
  const zk = await deploy(writer, {
    abi: zkInferenceVerifierAbi,
    bytecode: zkInferenceVerifierCode,
    args: [receiptVerifier, owner, delaySeconds, [...srs.ceremony], [...srs.development]],
  });
  const made = await deploy(writer, {
    abi: inferenceCoordinatorAbi,
    bytecode: inferenceCoordinatorCode,
    args: [receiptVerifier, zk.address],
  });
  return {
    contracts: { inferenceCoordinator: made.address, zkInferenceVerifier: zk.address },
    steps: [
      { name: "ZkInferenceVerifier", ...zk },
      { name: "InferenceCoordinator", ...made },
    ],
  };
}

async function deployQuoteVerifiers(
  writer: ChainWriter,
  { development, tdxRoot }: DeployOptions,
): Promise<Pick<Deployment, "quoteVerifiers" | "dcapCollateral"> & { steps: Step[] }> {
  const steps: Step[] = [];
  const made = async (name: string, deploying: Promise<Sent & { address: Address }>): Promise<Address> => {
    const sent = await deploying;
    steps.push({ name, ...sent });
    return sent.address;
  };
  const quoteVerifiers: Deployment["quoteVerifiers"] = {};
  if (development) {
    const contract = {
      abi: developmentQuoteVerifierAbi,
      bytecode: developmentQuoteVerifierCode,
      args: [],
    } as const;
    quoteVerifiers.development = await made("DevelopmentQuoteVerifier", deploy(writer, contract));
  }
  if (tdxRoot === undefined) return { quoteVerifiers, steps };
  const registry = {
    abi: dcapCollateralAbi,
    bytecode: dcapCollateralCode,
    args: [bytesToHex(tdxRoot), "", ""],
  } as const;
  const dcapCollateral = await made("DcapCollateral", deploy(writer, registry));
  const contract = {
    abi: tdxQuoteVerifierAbi,
    bytecode: tdxQuoteVerifierCode,
    args: [dcapCollateral],
  } as const;
  quoteVerifiers.tdx = await made("TdxQuoteVerifier", deploy(writer, contract));
  return { quoteVerifiers, dcapCollateral, steps };
}
