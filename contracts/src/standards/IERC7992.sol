// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

// ERC-7992 (draft), names and signatures as its text has them; docs/adr/0021 says which copy, and where it contradicts itself.

/// @notice What is registered of a model. Never changed here: another circuit is another model id.
/// @param modelHash of weights and architecture
/// @param proofSystemId first four bytes of the hash of the proof system's canonical name
struct ModelCommitment {
    bytes32 modelHash;
    bytes32 circuitHash;
    bytes32 vkHash;
    bytes4 proofSystemId;
    string uri;
}

interface IERCZKMLRegistry {
    event ModelRegistered(uint256 indexed modelId, address indexed owner, ModelCommitment commitment);
    event ModelUpdated(uint256 indexed modelId, ModelCommitment oldCommitment, ModelCommitment newCommitment);
    event ModelDeprecated(uint256 indexed modelId);

    error ModelNotFound(uint256 modelId);
    error NotModelOwner(uint256 modelId, address caller);

    function registerModel(ModelCommitment calldata commitment) external returns (uint256 modelId);

    function updateModel(uint256 modelId, ModelCommitment calldata newCommitment) external;

    function deprecateModel(uint256 modelId) external;

    function getModel(uint256 modelId)
        external
        view
        returns (ModelCommitment memory commitment, bool deprecated, address owner);
}

interface IERCZKMLVerifier {
    event InferenceVerified(
        uint256 indexed modelId, bytes32 indexed inputCommitment, bytes output, address indexed caller
    );

    error InvalidProof();
    error ModelMismatch();
    error InputCommitmentMismatch();
    error OutputMismatch();
    error UnsupportedProofSystem(bytes4 proofSystemId);
    error VerificationRefused_ModelDeprecated(uint256 modelId);

    /// @notice Reverts unless the proof shows that the model turns the committed input into this output.
    function verifyInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external;

    function proofSystemOf(uint256 modelId) external view returns (bytes4);

    function registry() external view returns (address registryAddress);
}
