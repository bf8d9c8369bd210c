// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IInferenceConsumer, Input, Terms} from "../../src/interfaces/IInferenceCoordinator.sol";
import {Receipt} from "../../src/interfaces/IReceiptVerifier.sol";
import {InferenceCoordinator} from "../../src/InferenceCoordinator.sol";

/// @notice A consumer as one would be written: asks whether a mass is malignant, and refers or clears by the answer, which the
/// coordinator verified before it calls.
contract Triage is IInferenceConsumer {
    enum Decision {
        Open,
        Refer,
        Clear
    }

    error NotTheCoordinator();
    error NotAsked(bytes32 requestId);
    error OutputUnexpected();

    event Asked(bytes32 indexed requestId, uint8 assurance);
    event Decided(bytes32 indexed requestId, Decision decision, int256 logit);

    InferenceCoordinator private immutable coordinator;
    mapping(bytes32 requestId => bool) private asked;
    mapping(bytes32 requestId => Decision) public decisions;

    constructor(InferenceCoordinator coordinator_) {
        coordinator = coordinator_;
    }

    function ask(Terms calldata terms, Input calldata input) external payable returns (bytes32 requestId) {
        requestId = coordinator.request{value: msg.value}(terms, input);
        asked[requestId] = true;
        emit Asked(requestId, terms.assurance);
    }

    /// @dev The logit has six decimals; above 0 the mass is more likely malignant than not.
    function onInference(bytes32 requestId, bytes calldata encodedOutput, Receipt calldata) external {
        if (msg.sender != address(coordinator)) revert NotTheCoordinator();
        if (!asked[requestId]) revert NotAsked(requestId);
        int256[] memory outputs = abi.decode(encodedOutput, (int256[]));
        if (outputs.length != 1) revert OutputUnexpected();
        Decision decision = outputs[0] > 0 ? Decision.Refer : Decision.Clear;
        decisions[requestId] = decision;
        emit Decided(requestId, decision, outputs[0]);
    }
}
