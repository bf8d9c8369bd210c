// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {ZkInferenceVerifier} from "../ZkInferenceVerifier.sol";
import {IERCZKMLRegistry, IERCZKMLVerifier, ModelCommitment} from "./IERC7992.sol";

/// @title Inferences by ERC-7992, over `ZkInferenceVerifier`
/// @notice A commitment counts where it is that of a registered circuit: `modelHash` the model id of the manifest, `circuitHash` the
/// circuit's id, `vkHash` the SHA-256 of its verifying key. `output` is abi.encode(int256[]) and `proof` what `requireProof` takes;
/// the output lies within the circuit's bound of the proved one, so that several outputs can hold for one proof.
/// @dev Whether an inference was acted on before is the caller's to know: the commitment has a salt, the proof is no name for it.
contract ZkmlVerifier is IERCZKMLVerifier, IERC165 {
    /// @notice EZKL 21 makes Halo2 proofs over KZG on BN254.
    bytes4 public constant PROOF_SYSTEM_ID = bytes4(keccak256("ezkl-halo2-kzg-bn254-v21"));
    bytes32 private constant INPUT_DOMAIN = keccak256("affidavit.erc7992.input.v1");

    ZkInferenceVerifier public immutable zkVerifier;
    IERCZKMLRegistry private immutable models;

    constructor(ZkInferenceVerifier zkVerifier_, IERCZKMLRegistry models_) {
        (zkVerifier, models) = (zkVerifier_, models_);
    }

    function verifyInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external {
        (ModelCommitment memory commitment, bool deprecated,) = models.getModel(modelId);
        if (deprecated) revert VerificationRefused_ModelDeprecated(modelId);
        if (commitment.proofSystemId != PROOF_SYSTEM_ID) {
            revert UnsupportedProofSystem(commitment.proofSystemId);
        }
        (bytes32 circuitId,, uint256[] memory instances) = abi.decode(proof, (bytes32, bytes, uint256[]));
        ZkInferenceVerifier.Circuit memory circuit = zkVerifier.circuitOf(circuitId);
        if (
            circuitId != commitment.circuitHash || circuit.modelId != commitment.modelHash
                || circuit.vkDigest != commitment.vkHash
        ) revert ModelMismatch();
        bytes32 circuitInput = instances.length == 0 ? bytes32(0) : bytes32(instances[0]);
        if (inputCommitmentOf(circuitId, circuitInput) != inputCommitment) revert InputCommitmentMismatch();
        try zkVerifier.requireProof(circuit.modelId, circuitInput, output, proof) {}
        catch (bytes memory reason) {
            if (bytes4(reason) == ZkInferenceVerifier.OutputBeyondBound.selector) revert OutputMismatch();
            revert InvalidProof();
        }
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
    }

    /// @notice keccak256(abi.encode(keccak256("affidavit.erc7992.input.v1"), circuit id, circuit input)). The circuit input is a
    /// Poseidon hash that a salt of 128 bits goes into (docs/spec/proofs.md).
    function inputCommitmentOf(bytes32 circuitId, bytes32 circuitInput) public pure returns (bytes32) {
        return keccak256(abi.encode(INPUT_DOMAIN, circuitId, circuitInput));
    }

    function proofSystemOf(uint256 modelId) external view returns (bytes4) {
        (ModelCommitment memory commitment,,) = models.getModel(modelId);
        return commitment.proofSystemId;
    }

    function registry() external view returns (address) {
        return address(models);
    }

    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IERCZKMLVerifier).interfaceId || interfaceId == type(IERC165).interfaceId;
    }
}
