/** Which contracts are whose, on which chain: what a deployment leaves for everyone who uses it. */
import {
  bytesToHex,
  getAddress,
  isAddress,
  zeroAddress,
  type Address,
  type Hex,
  type PublicClient,
} from "viem";
import { checkpointAnchorAbi } from "./contracts/checkpoint-anchor.ts";
import {
  developmentQuoteVerifierAbi,
  developmentQuoteVerifierCode,
} from "./contracts/development-quote-verifier.ts";
import { dcapCollateralAbi, dcapCollateralCode } from "./contracts/dcap-collateral.ts";
import { inferenceCoordinatorAbi, inferenceCoordinatorCode } from "./contracts/inference-coordinator.ts";
import { receiptVerifierAbi, receiptVerifierCode } from "./contracts/receipt-verifier.ts";
import { tdxQuoteVerifierAbi, tdxQuoteVerifierCode } from "./contracts/tdx-quote-verifier.ts";
import { ChainError } from "./error.ts";
import { onChain } from "./reverts.ts";
import { deploy, type ChainWriter, type Sent } from "./send.ts";

export interface Deployment {
  chainId: number;
  /** Registry and verifier: the one address that a consumer needs. */
  receiptVerifier: Address;
  checkpointAnchor: Address;
  /** Quote verifiers by what they verify. */
  quoteVerifiers: { development?: Address; tdx?: Address; automata?: Address };
  /** Where the TDX verifier's collateral is posted. */
  dcapCollateral?: Address;
  /** Takes requests from contracts. */
  inferenceCoordinator?: Address;
}

const FORMAT_VERSION = 1;
/** Chains on which a simulated TEE may be registered. */
export const DEVELOPMENT_CHAINS: readonly number[] = [31337, 1337];

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
  /** Also deploys the coordinator, without ZK proofs verified on chain. */
  coordinator?: boolean;
  /** Also deploys the verifier of TDX quotes under this root: a DER certificate, Intel's but on development chains. */
  tdxRoot?: Uint8Array;
}

type Step = Sent & { name: string; address: Address };

/** @throws ChainError as `deploy` of send.ts; `deployment_invalid` for development contracts on another chain */
export async function deployContracts(
  writer: ChainWriter,
  options: DeployOptions,
): Promise<{ deployment: Deployment; steps: Step[] }> {
  const { owner, delaySeconds, referenceValues, tcbStatuses, tcbFloor } = options;
  const chainId = await onChain(() => writer.reader.getChainId());
  const own = await deployQuoteVerifiers(writer, chainId, options);
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
  let inferenceCoordinator: Address | undefined;
  if (options.coordinator) {
    const made = await deploy(writer, {
      abi: inferenceCoordinatorAbi,
      bytecode: inferenceCoordinatorCode,
      args: [receiptVerifier, zeroAddress],
    });
    steps.push({ name: "InferenceCoordinator", ...made });
    inferenceCoordinator = made.address;
  }
  return {
    deployment: {
      chainId,
      receiptVerifier,
      checkpointAnchor,
      quoteVerifiers,
      ...(dcapCollateral === undefined ? {} : { dcapCollateral }),
      ...(inferenceCoordinator === undefined ? {} : { inferenceCoordinator }),
    },
    steps,
  };
}

async function deployQuoteVerifiers(
  writer: ChainWriter,
  chainId: number,
  { development, tdxRoot }: DeployOptions,
): Promise<Pick<Deployment, "quoteVerifiers" | "dcapCollateral"> & { steps: Step[] }> {
  if (development && !DEVELOPMENT_CHAINS.includes(chainId))
    throw new ChainError("deployment_invalid", `chain ${chainId} is not for development`);
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

async function anchorOf(reader: PublicClient, receiptVerifier: Address): Promise<Address> {
  return await onChain(() =>
    reader.readContract({ address: receiptVerifier, abi: receiptVerifierAbi, functionName: "anchor" }),
  );
}

/**
 * That the contracts are on this chain and belong together.
 * @throws ChainError `chain_mismatch`, `contract_missing`, `deployment_invalid`, `chain_unreachable`
 */
export async function checkDeployment(reader: PublicClient, deployment: Deployment): Promise<void> {
  const chainId = await onChain(() => reader.getChainId());
  if (chainId !== deployment.chainId)
    throw new ChainError(
      "chain_mismatch",
      `the deployment is on chain ${deployment.chainId}, this is ${chainId}`,
    );
  const anchor = await anchorOf(reader, deployment.receiptVerifier);
  const registry = await onChain(() =>
    reader.readContract({
      address: deployment.checkpointAnchor,
      abi: checkpointAnchorAbi,
      functionName: "registry",
    }),
  );
  if (anchor !== deployment.checkpointAnchor || registry !== deployment.receiptVerifier)
    throw new ChainError("deployment_invalid", "anchor and verifier are not of one deployment");
}

export function deploymentToJson(deployment: Deployment): object {
  return { formatVersion: FORMAT_VERSION, ...deployment };
}

/** @throws ChainError `deployment_invalid` */
export function parseDeployment(value: unknown): Deployment {
  const root = members(value, [
    "formatVersion",
    "chainId",
    "receiptVerifier",
    "checkpointAnchor",
    "quoteVerifiers",
    "dcapCollateral",
    "inferenceCoordinator",
  ]);
  if (root["formatVersion"] !== FORMAT_VERSION) invalid("unknown formatVersion");
  const { chainId } = root;
  if (typeof chainId !== "number" || !Number.isSafeInteger(chainId) || chainId < 1)
    invalid("chainId is none");
  const verifiers = members(root["quoteVerifiers"], ["development", "tdx", "automata"]);
  return {
    chainId,
    receiptVerifier: address(root["receiptVerifier"], "receiptVerifier"),
    checkpointAnchor: address(root["checkpointAnchor"], "checkpointAnchor"),
    quoteVerifiers: Object.fromEntries(
      Object.entries(verifiers).map(([name, verifier]) => [
        name,
        address(verifier, `quoteVerifiers.${name}`),
      ]),
    ),
    ...optional(root, "dcapCollateral"),
    ...optional(root, "inferenceCoordinator"),
  };
}

function members(value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) invalid("not an object");
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) invalid(`unknown member ${JSON.stringify(unknown).slice(0, 80)}`);
  return value as Record<string, unknown>;
}

function optional<N extends string>(root: Record<string, unknown>, name: N): { [M in N]?: Address } {
  return root[name] === undefined ? {} : ({ [name]: address(root[name], name) } as { [M in N]?: Address });
}

function address(value: unknown, path: string): Address {
  if (typeof value !== "string" || !isAddress(value, { strict: false })) invalid(`${path} is no address`);
  return getAddress(value);
}

function invalid(problem: string): never {
  throw new ChainError("deployment_invalid", `the deployment file: ${problem}`);
}
