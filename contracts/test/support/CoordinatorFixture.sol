// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Input, IZkInferenceVerifier, Terms} from "../../src/interfaces/IInferenceCoordinator.sol";
import {Receipt} from "../../src/interfaces/IReceiptVerifier.sol";
import {InferenceCoordinator} from "../../src/InferenceCoordinator.sol";
import {InferenceStatement} from "../../src/receipts/Statements.sol";
import {Consumer} from "./Consumers.sol";
import {Digests} from "./Digests.sol";
import {Fixture} from "./Fixture.sol";

/// @notice A coordinator beside the verifier, and receipts for its requests.
abstract contract CoordinatorFixture is Fixture {
    address internal constant OPERATOR = address(0x0907);
    uint96 internal constant PAYMENT = 1 ether;
    bytes32 internal constant COMMITMENT = keccak256("an input commitment");

    InferenceCoordinator internal coordinator;
    Consumer internal consumer;

    function setUp() public virtual override {
        super.setUp();
        coordinator = new InferenceCoordinator(verifier, IZkInferenceVerifier(address(0)));
        consumer = new Consumer(coordinator);
        vm.deal(address(this), 1000 ether);
        vm.deal(address(consumer), 0);
    }

    receive() external payable {}

    function termsOf() internal view returns (Terms memory terms) {
        terms.modelId = keccak256("model");
        terms.policyDigest = keccak256("policy");
        terms.callbackGas = 200_000;
        terms.operator = OPERATOR;
        terms.payment = PAYMENT;
        terms.deadlineSeconds = uint40(block.timestamp + 1 hours);
    }

    function committed() internal pure returns (Input memory) {
        return Input("", COMMITMENT);
    }

    function ask() internal returns (bytes32) {
        return consumer.ask{value: PAYMENT}(termsOf(), committed());
    }

    function answerOf(bytes32 requestId) internal view returns (InferenceStatement memory statement) {
        statement = answerBy(OPERATOR, requestId);
    }

    /// @dev Signed by the enclave of that operator.
    function answerBy(address operator, bytes32 requestId)
        internal
        view
        returns (InferenceStatement memory statement)
    {
        statement = statementOf(address(consumer));
        statement.settlement = keccak256(abi.encode(requestId, operator));
        statement.requestId = requestId;
        statement.modelId = keccak256("model");
        statement.policyDigest = keccak256("policy");
        statement.inputCommitment = COMMITMENT;
    }

    function receiptFor(bytes32 requestId) internal view returns (Receipt memory) {
        return receiptOf(answerOf(requestId));
    }

    function deliver(bytes32 requestId) internal {
        coordinator.deliver(receiptFor(requestId), "");
    }

    function digestOf(Receipt memory receipt) internal pure returns (bytes32) {
        return Digests.hash(receipt.statement);
    }

    function statusOf(bytes32 requestId) internal view returns (uint256) {
        (, InferenceCoordinator.Status status,,,,,,,,) = coordinator.requests(requestId);
        return uint256(status);
    }
}
