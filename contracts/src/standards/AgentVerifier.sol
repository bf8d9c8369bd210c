// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IAgentVerifier, IProofVerifier} from "./IERC8274.sol";

/// @title Claims of agents by ERC-8274
/// @notice The listed agents' claims count, by one proof system and what was fixed for it. A task is verified once for each caller:
/// whoever settles it keeps nobody else from settling, and nobody keeps it from settling. A proof names no task: who
/// settles decides which input a task is about.
contract AgentVerifier is IAgentVerifier, IERC165 {
    error AgentsMissing();

    uint256 private constant MAX_AGENTS = 256;

    IProofVerifier public immutable proofVerifier;
    bytes public metadata;
    mapping(bytes32 agentId => bool) public isAgent;
    mapping(address caller => mapping(bytes32 taskId => bool)) public isVerified;

    /// @param metadata_ in the form that `proofVerifier_` reads
    /// @param agents 1 to 256
    constructor(IProofVerifier proofVerifier_, bytes memory metadata_, bytes32[] memory agents) {
        if (agents.length == 0 || agents.length > MAX_AGENTS) revert AgentsMissing();
        proofVerifier = proofVerifier_;
        metadata = metadata_;
        for (uint256 i = 0; i < agents.length; ++i) {
            isAgent[agents[i]] = true;
        }
    }

    /// @inheritdoc IAgentVerifier
    function verify(
        bytes32 taskId,
        bytes32 agentId,
        bytes32 inputHash,
        bytes32 outputHash,
        bytes calldata proof
    ) external returns (bool valid, bytes32 verificationDigest) {
        if (isAgent[agentId] && !isVerified[msg.sender][taskId]) {
            valid = proofVerifier.verify(inputHash, outputHash, metadata, proof);
            if (valid) isVerified[msg.sender][taskId] = true;
        }
        bytes32 profile = proofVerifier.proofProfile();
        verificationDigest = keccak256(abi.encode(taskId, agentId, inputHash, outputHash, valid, profile));
        emit VerificationCompleted(taskId, agentId, verificationDigest, valid, inputHash, outputHash, profile);
    }

    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IAgentVerifier).interfaceId || interfaceId == type(IERC165).interfaceId;
    }
}
