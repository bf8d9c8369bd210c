// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

// ERC-8274 (draft), names and signatures as its text has them; docs/adr/0021 says which copy.

/// @notice The inner layer: one proof system, no state. Implementations say how their hashes are made.
interface IProofVerifier {
    /// @param metadata fixed by the agent's verifier
    /// @param proof of this inference
    function verify(bytes32 inputHash, bytes32 outputHash, bytes calldata metadata, bytes calldata proof)
        external
        returns (bool);

    /// @notice "{paradigm}/{variant}".
    function proofSystem() external view returns (string memory);

    /// @notice keccak256(abi.encodePacked(proofSystem(), salt of the deployment)).
    function proofProfile() external view returns (bytes32);
}

/// @notice The outer layer: whose claims count, and for which task.
interface IAgentVerifier {
    event VerificationCompleted(
        bytes32 indexed taskId,
        bytes32 indexed agentId,
        bytes32 indexed verificationDigest,
        bool valid,
        bytes32 inputHash,
        bytes32 outputHash,
        bytes32 agentProofProfile
    );

    /// @return valid whether the agent may claim this and the proof shows it
    /// @return verificationDigest keccak256(abi.encode(taskId, agentId, inputHash, outputHash, valid, agentProofProfile))
    function verify(
        bytes32 taskId,
        bytes32 agentId,
        bytes32 inputHash,
        bytes32 outputHash,
        bytes calldata proof
    ) external returns (bool valid, bytes32 verificationDigest);
}
