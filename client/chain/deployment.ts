/** Which contracts are whose, on which chain: what a deployment leaves for everyone who uses it. */
import { getAddress, isAddress, type Address, type PublicClient } from "viem";
import { checkpointAnchorAbi } from "./contracts/checkpoint-anchor.ts";
import { inferenceCoordinatorAbi } from "./contracts/inference-coordinator.ts";
import { receiptVerifierAbi } from "./contracts/receipt-verifier.ts";
import { ChainError } from "./error.ts";
import { onChain } from "./reverts.ts";

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
  /** Verifies the proofs that its requests can ask for. */
  zkInferenceVerifier?: Address;
}

const FORMAT_VERSION = 1;
/** Chains on which a simulated TEE may be registered. */
export const DEVELOPMENT_CHAINS: readonly number[] = [31337, 1337];

/** @throws ChainError `contract_missing`, `chain_unreachable` */
export async function anchorOf(reader: PublicClient, receiptVerifier: Address): Promise<Address> {
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
  const { inferenceCoordinator: coordinator, zkInferenceVerifier } = deployment;
  if (coordinator === undefined || zkInferenceVerifier === undefined) return;
  const contract = { address: coordinator, abi: inferenceCoordinatorAbi } as const;
  const asked = await onChain(() => reader.readContract({ ...contract, functionName: "zkVerifier" }));
  if (asked !== zkInferenceVerifier)
    throw new ChainError("deployment_invalid", "the coordinator asks another verifier of proofs");
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
    "zkInferenceVerifier",
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
    ...optional(root, "zkInferenceVerifier"),
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
