/** Puts contracts on a chain that speak the standards ERC-7992, ERC-8274 and ERC-8004 over a deployment (docs/spec/contracts.md). */
import type { Abi, Address, ContractConstructorArgs, Hex } from "viem";
import { inferenceValidatorAbi, inferenceValidatorCode } from "./contracts/inference-validator.ts";
import { receiptProofVerifierAbi, receiptProofVerifierCode } from "./contracts/receipt-proof-verifier.ts";
import { validationRegistryAbi, validationRegistryCode } from "./contracts/validation-registry.ts";
import { zkProofVerifierAbi, zkProofVerifierCode } from "./contracts/zk-proof-verifier.ts";
import { zkmlRegistryAbi, zkmlRegistryCode } from "./contracts/zkml-registry.ts";
import { zkmlVerifierAbi, zkmlVerifierCode } from "./contracts/zkml-verifier.ts";
import type { Step } from "./deploy.ts";
import type { Deployment } from "./deployment.ts";
import { ChainError } from "./error.ts";
import { deploy, type ChainWriter } from "./send.ts";

export interface Adapters {
  /** ERC-7992. */
  zkmlRegistry: Address;
  zkmlVerifier: Address;
  /** ERC-8274, the inner layer. */
  receiptProofVerifier: Address;
  zkProofVerifier: Address;
  /** ERC-8004: a registry of our own, or the one that was named. */
  validationRegistry?: Address;
  inferenceValidator?: Address;
}

/** Whose agents ERC-8004's validator serves: an identity registry, for which a validation registry is made, or one of those. */
export type AgentPlace = { identityRegistry: Address } | { validationRegistry: Address };

/**
 * @param agents undefined: no validator
 * @throws ChainError `deployment_invalid` without a verifier of ZK proofs; as `deploy` of send.ts
 */
export async function deployAdapters(
  writer: ChainWriter,
  { receiptVerifier, zkInferenceVerifier: zk }: Deployment,
  agents?: AgentPlace,
): Promise<{ adapters: Adapters; steps: Step[] }> {
  if (zk === undefined)
    throw new ChainError("deployment_invalid", "the deployment names no verifier of ZK proofs");
  const steps: Step[] = [];
  const made = async <const A extends Abi>(
    name: string,
    contract: { abi: A; bytecode: Hex; args: ContractConstructorArgs<A> },
  ): Promise<Address> => {
    const sent = await deploy(writer, contract);
    steps.push({ name, ...sent });
    return sent.address;
  };
  const zkmlRegistry = await made("ZkmlRegistry", {
    abi: zkmlRegistryAbi,
    bytecode: zkmlRegistryCode,
    args: [],
  });
  const zkmlVerifier = await made("ZkmlVerifier", {
    abi: zkmlVerifierAbi,
    bytecode: zkmlVerifierCode,
    args: [zk, zkmlRegistry],
  });
  const receiptProofVerifier = await made("ReceiptProofVerifier", {
    abi: receiptProofVerifierAbi,
    bytecode: receiptProofVerifierCode,
    args: [receiptVerifier],
  });
  const zkProofVerifier = await made("ZkProofVerifier", {
    abi: zkProofVerifierAbi,
    bytecode: zkProofVerifierCode,
    args: [zk],
  });
  const adapters: Adapters = { zkmlRegistry, zkmlVerifier, receiptProofVerifier, zkProofVerifier };
  if (agents === undefined) return { adapters, steps };
  const validationRegistry =
    "validationRegistry" in agents
      ? agents.validationRegistry
      : await made("ValidationRegistry", {
          abi: validationRegistryAbi,
          bytecode: validationRegistryCode,
          args: [agents.identityRegistry],
        });
  const inferenceValidator = await made("InferenceValidator", {
    abi: inferenceValidatorAbi,
    bytecode: inferenceValidatorCode,
    args: [validationRegistry, receiptVerifier, zk],
  });
  return { adapters: { ...adapters, validationRegistry, inferenceValidator }, steps };
}
