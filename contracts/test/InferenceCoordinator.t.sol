// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Escrow} from "../src/coordinator/Escrow.sol";
import {PublicSalts} from "../src/coordinator/PublicSalts.sol";
import {RequestBook} from "../src/coordinator/RequestBook.sol";
import {Input, Terms} from "../src/interfaces/IInferenceCoordinator.sol";
import {IReceiptVerifier, Receipt} from "../src/interfaces/IReceiptVerifier.sol";
import {InferenceStatement, Proof} from "../src/receipts/Statements.sol";
import {SignedProof} from "../src/interfaces/IReceiptVerifier.sol";
import {Consumer, Token} from "./support/Consumers.sol";
import {CoordinatorFixture} from "./support/CoordinatorFixture.sol";
import {Digests} from "./support/Digests.sol";
import {Vectors} from "./support/Vectors.sol";

contract InferenceCoordinatorTest is CoordinatorFixture, Vectors {
    uint256 private constant OPEN = 1;
    uint256 private constant DELIVERED = 2;
    uint256 private constant REFUNDED = 3;

    function test_publicSaltsAreThoseOfTheVectors() public view {
        string memory json = vector("digests-zero-salt");
        assertEq(PublicSalts.INPUT, word(json, ".expected.s_input"), "input");
        assertEq(PublicSalts.OUTPUT, word(json, ".expected.s_output"), "output");
        bytes memory input = vm.parseJsonBytes(json, ".input.canonicalInput");
        bytes32 commitment = sha256(bytes.concat(PublicSalts.INPUT, input));
        assertEq(commitment, word(json, ".expected.inputCommitment"), "commitment");
    }

    function test_askedAnsweredPaidAndCalled() public {
        bytes32 requestId = ask();
        vm.snapshotGasLastCall("request");
        bytes32 expected = keccak256(
            abi.encode(
                block.chainid,
                coordinator,
                consumer,
                uint64(0),
                keccak256("model"),
                COMMITMENT,
                bytes32(0),
                keccak256("policy")
            )
        );
        assertEq(requestId, expected, "request id");
        deliver(requestId);
        vm.snapshotGasLastCall("deliver");
        assertEq(statusOf(requestId), DELIVERED, "status");
        assertEq(keccak256(consumer.output()), keccak256(OUTPUT), "called with the output");
        assertEq(coordinator.credits(address(0), OPERATOR), PAYMENT, "paid");
        vm.prank(OPERATOR);
        coordinator.withdraw(address(0), address(0xFEE), PAYMENT);
        assertEq(address(0xFEE).balance, PAYMENT, "fetched");
    }

    function test_aPublicInputIsCommittedTo() public {
        bytes32 requestId = consumer.ask{value: PAYMENT}(termsOf(), Input("canonical input", 0));
        InferenceStatement memory statement = answerOf(requestId);
        statement.inputCommitment = sha256(bytes.concat(PublicSalts.INPUT, "canonical input"));
        coordinator.deliver(receiptOf(statement), "");
        assertEq(statusOf(requestId), DELIVERED, "status");
    }

    function test_inputIsOneOfTwo() public {
        vm.expectRevert(RequestBook.InputInvalid.selector);
        consumer.ask{value: PAYMENT}(termsOf(), Input("", 0));
        vm.expectRevert(RequestBook.InputInvalid.selector);
        consumer.ask{value: PAYMENT}(termsOf(), Input("x", COMMITMENT));
    }

    function test_termsAreChecked() public {
        Terms memory terms = termsOf();
        terms.deadlineSeconds = uint40(block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(RequestBook.DeadlineInvalid.selector, block.timestamp));
        consumer.ask{value: PAYMENT}(terms, committed());
        terms = termsOf();
        terms.operator = address(0);
        vm.expectRevert(RequestBook.OperatorMissing.selector);
        consumer.ask{value: PAYMENT}(terms, committed());
        terms = termsOf();
        terms.assurance = 4;
        vm.expectRevert(abi.encodeWithSelector(RequestBook.AssuranceUnknown.selector, 4));
        consumer.ask{value: PAYMENT}(terms, committed());
        terms = termsOf();
        terms.callbackGas = 10_000_001;
        vm.expectRevert(abi.encodeWithSelector(RequestBook.CallbackGasTooHigh.selector, 10_000_001));
        consumer.ask{value: PAYMENT}(terms, committed());
        vm.expectRevert(abi.encodeWithSelector(Escrow.ValueMismatch.selector, PAYMENT, PAYMENT - 1));
        consumer.ask{value: PAYMENT - 1}(termsOf(), committed());
    }

    function test_anAnswerComesOnce() public {
        bytes32 requestId = ask();
        deliver(requestId);
        Receipt memory receipt = receiptFor(requestId);
        bytes memory notOpen = abi.encodeWithSelector(
            RequestBook.RequestNotOpen.selector, requestId, RequestBook.Status.Delivered
        );
        vm.expectRevert(notOpen);
        coordinator.deliver(receipt, "");
        vm.warp(block.timestamp + 2 hours);
        vm.expectRevert(notOpen);
        coordinator.refund(requestId);
    }

    function test_whoeverSubmitsTheOperatorIsPaid() public {
        bytes32 requestId = ask();
        Receipt memory receipt = receiptFor(requestId);
        vm.prank(address(0xC09));
        coordinator.deliver(receipt, "");
        assertEq(coordinator.credits(address(0), OPERATOR), PAYMENT, "the operator");
        assertEq(coordinator.credits(address(0), address(0xC09)), 0, "not the copier");
    }

    function test_anotherOperatorsAnswerIsNotPaid() public {
        bytes32 requestId = ask();
        Receipt memory receipt = receiptOf(answerBy(address(0xC09), requestId));
        bytes32 expected = keccak256(abi.encode(requestId, OPERATOR));
        bytes32 actual = keccak256(abi.encode(requestId, address(0xC09)));
        vm.expectRevert(abi.encodeWithSelector(RequestBook.SettlementMismatch.selector, expected, actual));
        coordinator.deliver(receipt, "");
        assertEq(statusOf(requestId), OPEN, "still open");
    }

    function test_refundedAfterTheDeadlineAlone() public {
        bytes32 requestId = ask();
        vm.expectRevert(abi.encodeWithSelector(RequestBook.DeadlineNotPassed.selector, requestId));
        coordinator.refund(requestId);
        vm.warp(block.timestamp + 1 hours + 1);
        Receipt memory receipt = receiptFor(requestId);
        vm.expectRevert(abi.encodeWithSelector(RequestBook.DeadlinePassed.selector, requestId));
        coordinator.deliver(receipt, "");
        coordinator.refund(requestId);
        assertEq(statusOf(requestId), REFUNDED, "status");
        assertEq(coordinator.credits(address(0), address(consumer)), PAYMENT, "back");
    }

    function testFuzz_anyChangedFieldIsRefused(uint8 index, uint256 change) public {
        bytes32 requestId = ask();
        Receipt memory receipt = receiptFor(requestId);
        InferenceStatement memory statement = receipt.statement;
        changeWord(statement, index, change);
        vm.expectRevert();
        coordinator.deliver(receipt, "");
        assertEq(statusOf(requestId), OPEN, "still open");
    }

    /// @dev Changed and signed again: all that the request fixes is compared.
    function testFuzz_whatTheRequestFixesIsCompared(uint8 choice, uint256 change) public {
        uint8[9] memory fixedFields = [0, 1, 2, 4, 5, 6, 9, 11, 12];
        bytes32 requestId = ask();
        InferenceStatement memory statement = answerOf(requestId);
        changeWord(statement, fixedFields[choice % 9], change);
        Receipt memory receipt = receiptOf(statement);
        vm.expectRevert();
        coordinator.deliver(receipt, "");
    }

    function test_typedRefusals() public {
        bytes32 requestId = ask();
        InferenceStatement memory statement = answerOf(requestId);
        statement.modelId = 0;
        Receipt memory receipt = receiptOf(statement);
        bytes32 other = coordinator.requestIdOf(address(consumer), 0, 0, COMMITMENT, 0, keccak256("policy"));
        vm.expectRevert(abi.encodeWithSelector(RequestBook.RequestMismatch.selector, other, requestId));
        coordinator.deliver(receipt, "");
        statement = answerOf(requestId);
        statement.responseDigest = bytes32(uint256(1));
        receipt = receiptOf(statement);
        vm.expectRevert(RequestBook.BodyDigestsUnexpected.selector);
        coordinator.deliver(receipt, "");
    }

    function test_aPromiseIsNotPaid() public {
        Terms memory terms = termsOf();
        terms.assurance = 1;
        bytes32 requestId = consumer.ask{value: PAYMENT}(terms, committed());
        InferenceStatement memory statement = answerOf(requestId);
        Receipt memory receipt = receiptOf(statement);
        vm.expectRevert(abi.encodeWithSelector(RequestBook.PromiseMissing.selector, 1, 0));
        coordinator.deliver(receipt, "");
        statement.promised = 1;
        receipt = receiptOf(statement);
        vm.expectRevert(abi.encodeWithSelector(IReceiptVerifier.DeliveryMissing.selector, 1));
        coordinator.deliver(receipt, "");
        Proof memory proof = Proof(digestOf(receipt), 0, 0, 0, 0, 1, 0);
        receipt.proofs = new SignedProof[](1);
        receipt.proofs[0] = SignedProof(proof, keysetDigest, sign(SIGNER_KEY, Digests.hash(proof)));
        coordinator.deliver(receipt, "");
        assertEq(coordinator.credits(address(0), OPERATOR), PAYMENT, "paid on the delivered proof");
    }

    function test_aFailingConsumerCostsTheOperatorNothing() public {
        for (uint8 mood = 1; mood <= 4; ++mood) {
            consumer.setMood(Consumer.Mood(mood));
            bytes32 requestId = ask();
            coordinator.deliver{gas: 3_000_000}(receiptFor(requestId), "");
            assertEq(coordinator.credits(address(0), OPERATOR), uint256(mood) * PAYMENT, "paid");
            if (Consumer.Mood(mood) == Consumer.Mood.ReturnsMuch) continue;
            bytes32 digest = coordinator.requireAnswer(requestId, OUTPUT);
            assertEq(digest, digestOf(receiptFor(requestId)), "the answer can be pulled");
            vm.expectRevert(abi.encodeWithSelector(RequestBook.AnswerUnknown.selector, requestId));
            coordinator.requireAnswer(requestId, "another");
        }
    }

    function test_theCallbackGetsItsGasOrNothingHappens() public {
        Terms memory terms = termsOf();
        terms.callbackGas = 1_000_000;
        bytes32 requestId = consumer.ask{value: PAYMENT}(terms, committed());
        Receipt memory receipt = receiptFor(requestId);
        (bool ok,) =
            address(coordinator).call{gas: 1_000_000}(abi.encodeCall(coordinator.deliver, (receipt, "")));
        assertTrue(!ok && statusOf(requestId) == OPEN, "too little gas");
        coordinator.deliver{gas: 1_400_000}(receipt, "");
        assertEq(consumer.calls(), 1, "called");
    }

    function test_withoutCallbackTheAnswerIsPulled() public {
        Terms memory terms = termsOf();
        terms.callbackGas = 0;
        bytes32 requestId = consumer.ask{value: PAYMENT}(terms, committed());
        deliver(requestId);
        coordinator.requireAnswer(requestId, OUTPUT);
        assertEq(consumer.calls(), 0, "not called");
    }

    function test_tokens() public {
        Token token = new Token();
        token.mint(address(this), 10);
        token.approve(address(coordinator), 10);
        Terms memory terms = termsOf();
        terms.token = address(token);
        terms.payment = 7;
        vm.expectRevert(abi.encodeWithSelector(Escrow.ValueMismatch.selector, 0, 1));
        coordinator.request{value: 1}(terms, committed());
        bytes32 requestId = coordinator.request(terms, committed());
        assertEq(token.balanceOf(address(coordinator)), 7, "in escrow");
        vm.warp(terms.deadlineSeconds + 1);
        coordinator.refund(requestId);
        coordinator.withdraw(address(token), address(0xFEE), 7);
        assertEq(token.balanceOf(address(0xFEE)), 7, "back");
        token.setFee(1);
        terms.deadlineSeconds = uint40(block.timestamp + 60);
        terms.payment = 3;
        vm.expectRevert(abi.encodeWithSelector(Escrow.TokenShort.selector, token));
        coordinator.request(terms, committed());
    }

    function test_aPinCannotBeTakenBackFromUnderARequest() public {
        Terms memory terms = termsOf();
        terms.pinned = true;
        terms.callbackGas = 0;
        registry.pin(referenceValueId, true);
        bytes32 asked = coordinator.request{value: PAYMENT}(terms, committed());
        registry.pin(referenceValueId, false);
        vm.warp(block.timestamp + 1);
        bytes32 askedLater = coordinator.request{value: PAYMENT}(terms, committed());
        coordinator.deliver(pinnedReceipt(asked), "");
        assertEq(coordinator.credits(address(0), OPERATOR), PAYMENT, "paid");
        Receipt memory receipt = pinnedReceipt(askedLater);
        vm.expectRevert(abi.encodeWithSelector(IReceiptVerifier.KeysetNotAccepted.selector, keysetDigest));
        coordinator.deliver(receipt, "");
    }

    function pinnedReceipt(bytes32 requestId) private view returns (Receipt memory receipt) {
        InferenceStatement memory statement = answerOf(requestId);
        statement.audience = keccak256(abi.encode(block.chainid, address(this)));
        receipt = receiptOf(statement);
        receipt.referenceValueId = referenceValueId;
    }

    function test_onlyWhatIsOwedIsFetched() public {
        ask();
        vm.expectRevert(abi.encodeWithSelector(Escrow.CreditTooLow.selector, 0, 1));
        coordinator.withdraw(address(0), address(this), 1);
    }

    function changeWord(InferenceStatement memory statement, uint8 index, uint256 change) private pure {
        index = uint8(bound(index, 0, 16));
        uint256 mask = index < 13 ? type(uint256).max : index == 13 ? 0xff : type(uint64).max;
        change &= mask;
        if (change == 0) change = 1;
        assembly ("memory-safe") {
            let place := add(statement, mul(index, 0x20))
            mstore(place, xor(mload(place), change))
        }
    }
}
