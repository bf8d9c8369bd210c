// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERCZKMLRegistry, ModelCommitment} from "./IERC7992.sol";

/// @title Model commitments by ERC-7992
/// @notice Anyone registers; nothing in a commitment is checked here. `ZkmlVerifier` holds it against the circuit that an enclave
/// bound to the model. A commitment never changes, so that who pinned a model id pinned weights, circuit and key: `updateModel`
/// refuses, and a new circuit is registered under a new id.
contract ZkmlRegistry is IERCZKMLRegistry, IERC165 {
    struct Model {
        address owner;
        bool deprecated;
        ModelCommitment commitment;
    }

    /// @notice A hash or the proof system is missing, or the URI is too long.
    error CommitmentInvalid();
    /// @notice A changed model is registered anew.
    error CommitmentFixed(uint256 modelId);

    uint256 private constant MAX_URI_BYTES = 2048;

    /// @notice Model ids are 1 to this.
    uint256 public modelCount;
    mapping(uint256 modelId => Model) private models;

    function registerModel(ModelCommitment calldata commitment) external returns (uint256 modelId) {
        bool complete = commitment.modelHash != 0 && commitment.circuitHash != 0 && commitment.vkHash != 0
            && commitment.proofSystemId != 0;
        if (!complete || bytes(commitment.uri).length > MAX_URI_BYTES) revert CommitmentInvalid();
        modelId = ++modelCount;
        models[modelId] = Model(msg.sender, false, commitment);
        emit ModelRegistered(modelId, msg.sender, commitment);
    }

    function updateModel(uint256 modelId, ModelCommitment calldata) external view {
        owned(modelId);
        revert CommitmentFixed(modelId);
    }

    /// @notice For good.
    function deprecateModel(uint256 modelId) external {
        Model storage model = owned(modelId);
        if (model.deprecated) return;
        model.deprecated = true;
        emit ModelDeprecated(modelId);
    }

    function getModel(uint256 modelId)
        external
        view
        returns (ModelCommitment memory commitment, bool deprecated, address owner)
    {
        Model storage model = known(modelId);
        return (model.commitment, model.deprecated, model.owner);
    }

    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IERCZKMLRegistry).interfaceId || interfaceId == type(IERC165).interfaceId;
    }

    function known(uint256 modelId) private view returns (Model storage model) {
        model = models[modelId];
        if (model.owner == address(0)) revert ModelNotFound(modelId);
    }

    function owned(uint256 modelId) private view returns (Model storage model) {
        model = known(modelId);
        if (model.owner != msg.sender) revert NotModelOwner(modelId, msg.sender);
    }
}
