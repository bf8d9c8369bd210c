// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ZkInferenceVerifier} from "../ZkInferenceVerifier.sol";
import {ProofVerdict} from "./ProofVerdict.sol";

/// @title EZKL proofs by ERC-8274
/// @notice `inputHash` is the circuit's commitment to the input, instance 0 (docs/spec/proofs.md), `outputHash` the keccak256 of the
/// encoded output, `metadata` abi.encode(bytes32 modelId, bytes32 circuitId), `proof` abi.encode(bytes encodedOutput, bytes zkProof)
/// with the `zkProof` of docs/spec/contracts.md.
contract ZkProofVerifier is ProofVerdict {
    error OutputMismatch();
    error CircuitMismatch();

    ZkInferenceVerifier public immutable verifier;

    constructor(ZkInferenceVerifier verifier_) ProofVerdict(address(verifier_)) {
        verifier = verifier_;
    }

    /// @inheritdoc ProofVerdict
    function requireValid(
        bytes32 inputHash,
        bytes32 outputHash,
        bytes calldata metadata,
        bytes calldata proof
    ) external view override {
        (bytes32 modelId, bytes32 circuitId) = abi.decode(metadata, (bytes32, bytes32));
        (bytes memory encodedOutput, bytes memory zkProof) = abi.decode(proof, (bytes, bytes));
        if (keccak256(encodedOutput) != outputHash) revert OutputMismatch();
        if (abi.decode(zkProof, (bytes32)) != circuitId) revert CircuitMismatch();
        verifier.requireProof(modelId, inputHash, encodedOutput, zkProof);
    }

    /// @inheritdoc ProofVerdict
    function proofSystem() public pure override returns (string memory) {
        return "zk/ezkl";
    }
}
