/** Receipts on EVM chains: deploy, register, anchor, verify. Browser-safe; viem is the chain's client. */
export { anchorCall, anchorCheckpoint, anchoredHead, logId } from "./anchor.ts";
export type { Anchored, CheckpointSource } from "./anchor.ts";
export { automataQuoteVerifierAbi, automataQuoteVerifierCode } from "./contracts/automata-quote-verifier.ts";
export { checkpointAnchorAbi, checkpointAnchorCode } from "./contracts/checkpoint-anchor.ts";
export {
  developmentQuoteVerifierAbi,
  developmentQuoteVerifierCode,
} from "./contracts/development-quote-verifier.ts";
export { inferenceCoordinatorAbi, inferenceCoordinatorCode } from "./contracts/inference-coordinator.ts";
export { receiptVerifierAbi, receiptVerifierCode } from "./contracts/receipt-verifier.ts";
export { zkInferenceVerifierAbi, zkInferenceVerifierCode } from "./contracts/zk-inference-verifier.ts";
export { agentVerifierAbi, agentVerifierCode } from "./contracts/agent-verifier.ts";
export { inferenceValidatorAbi, inferenceValidatorCode } from "./contracts/inference-validator.ts";
export { receiptProofVerifierAbi, receiptProofVerifierCode } from "./contracts/receipt-proof-verifier.ts";
export { validationRegistryAbi, validationRegistryCode } from "./contracts/validation-registry.ts";
export { zkProofVerifierAbi, zkProofVerifierCode } from "./contracts/zk-proof-verifier.ts";
export { zkmlRegistryAbi, zkmlRegistryCode } from "./contracts/zkml-registry.ts";
export { zkmlVerifierAbi, zkmlVerifierCode } from "./contracts/zkml-verifier.ts";
export { deployAdapters } from "./adapters.ts";
export type { Adapters } from "./adapters.ts";
export { deployVerifier, encodeZkProof, registerCircuit, requireRegistrable } from "./circuit.ts";
export type { Registrable, VerifierPlace } from "./circuit.ts";
export { deployContracts } from "./deploy.ts";
export type { DeployOptions, ListedSrs } from "./deploy.ts";
export { checkDeployment, deploymentToJson, DEVELOPMENT_CHAINS, parseDeployment } from "./deployment.ts";
export type { Deployment } from "./deployment.ts";
export { ChainError } from "./error.ts";
export type { ChainErrorCode } from "./error.ts";
export {
  contractReceipt,
  contractSignature,
  contractStatement,
  isFor,
  NO_REQUIREMENTS,
  PINNED_NOW,
  receiptFromBundle,
  verifyOnChain,
} from "./receipt.ts";
export type { ContractReceipt, Delivery, ReceiptExtras, Requirements } from "./receipt.ts";
export { offeredCircuit } from "./offered-circuit.ts";
export type { CircuitSource, OfferedCircuit, SignedBinding } from "./offered-circuit.ts";
export { DEFAULT_MASK, quoteRegisters, referenceValueId, TECHNOLOGIES } from "./reference-value.ts";
export type { Technology } from "./reference-value.ts";
export { attestedReferenceValue, keysetEnd, registerKeyset, unpackKey } from "./register.ts";
export type { AskAttestation, Registration } from "./register.ts";
export { CONTRACT_ERRORS, errorCode, onChain } from "./reverts.ts";
export type { ChainWriter, Sent } from "./send.ts";
export { openingBody, parseOpening, serializeOpening } from "./opening.ts";
export type { ChainOpening } from "./opening.ts";
export {
  deliveredAnswer,
  listRequests,
  nextOpening,
  openingAt,
  requestInference,
  requestStatus,
} from "./request.ts";
export type { Ask, ListedRequest, OnChainAnswer, RequestStatus } from "./request.ts";
export { chainSource } from "./source.ts";
export type { ChainSource } from "./source.ts";
