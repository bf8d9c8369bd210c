// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IReceiptVerifier, Receipt, Requirements} from "../interfaces/IReceiptVerifier.sol";
import {InferenceStatement} from "../receipts/Statements.sol";
import {ProofVerdict} from "./ProofVerdict.sol";

/// @notice What an agent's verifier fixes.
/// @param consumer whom the receipts' audience names: the contract that acts on them
struct ReceiptRules {
    address consumer;
    bytes32 modelId;
    bytes32 policyDigest;
    Requirements requirements;
}

/// @title Receipts as proofs by ERC-8274
/// @notice `inputHash` is the statement's `inputCommitment`, `outputHash` its `outputDigest` (docs/spec/encoding.md), `metadata` is
/// abi.encode(ReceiptRules), `proof` abi.encode(Receipt).
contract ReceiptProofVerifier is ProofVerdict {
    error InputMismatch();
    error OutputMismatch();
    error ModelMismatch();
    error PolicyMismatch();

    IReceiptVerifier public immutable verifier;

    constructor(IReceiptVerifier verifier_) ProofVerdict(address(verifier_)) {
        verifier = verifier_;
    }

    /// @inheritdoc ProofVerdict
    function requireValid(
        bytes32 inputHash,
        bytes32 outputHash,
        bytes calldata metadata,
        bytes calldata proof
    ) external view override {
        ReceiptRules memory rules = abi.decode(metadata, (ReceiptRules));
        Receipt memory receipt = abi.decode(proof, (Receipt));
        InferenceStatement memory statement = receipt.statement;
        if (statement.inputCommitment != inputHash) revert InputMismatch();
        if (statement.outputDigest != outputHash) revert OutputMismatch();
        if (statement.modelId != rules.modelId) revert ModelMismatch();
        if (statement.policyDigest != rules.policyDigest) revert PolicyMismatch();
        verifier.verifyFor(rules.consumer, receipt, rules.requirements);
    }

    /// @inheritdoc ProofVerdict
    function proofSystem() public pure override returns (string memory) {
        return "tee/affidavit";
    }
}
