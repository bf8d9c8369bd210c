// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {OutputAgreement} from "../src/coordinator/OutputAgreement.sol";
import {Panels} from "../src/coordinator/Panels.sol";
import {RequestBook} from "../src/coordinator/RequestBook.sol";
import {EnclaveRegistry} from "../src/EnclaveRegistry.sol";
import {IEnclaveRegistry} from "../src/interfaces/IEnclaveRegistry.sol";
import {Terms} from "../src/interfaces/IInferenceCoordinator.sol";
import {Inclusion, Receipt} from "../src/interfaces/IReceiptVerifier.sol";
import {InferenceStatement} from "../src/receipts/Statements.sol";
import {CoordinatorFixture} from "./support/CoordinatorFixture.sol";
import {Digests} from "./support/Digests.sol";

contract PanelsTest is CoordinatorFixture {
    uint96 private constant BOND = 0.1 ether;
    bytes32 private constant SALT = "a salt";
    address[3] private operators = [address(0x101), address(0x102), address(0x103)];
    bytes32[3] private keysets;
    bytes32 private requestId;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 3; ++i) {
            keysets[i] = registry.register(registrationOf(keysetText(vm.addr(i + 1), NOT_AFTER_SECONDS)));
            vm.deal(operators[i], 1 ether);
            vm.prank(operators[i]);
            coordinator.stake{value: 1 ether}();
        }
        requestId = coordinator.requestPanel{value: PAYMENT}(panelTerms(), committed(), panelOf(0));
    }

    function agree(bytes calldata left, bytes calldata right, uint256 tolerance)
        external
        pure
        returns (bool)
    {
        return OutputAgreement.agree(left, right, tolerance);
    }

    function test_twoOfThree() public {
        for (uint256 i = 0; i < 3; ++i) {
            commitTo(i, answer(i, OUTPUT));
        }
        vm.warp(block.timestamp + 11 minutes);
        reveal(0, answer(0, OUTPUT));
        reveal(2, answer(2, OUTPUT));
        assertEq(coordinator.stakes(operators[0]), 1 ether, "the bond is free");
        coordinator.conclude(answer(2, OUTPUT), operators[2], voices(0, OUTPUT));
        assertEq(statusOf(requestId), 2, "delivered");
        assertEq(coordinator.credits(address(0), operators[0]), PAYMENT / 2, "half");
        assertEq(coordinator.credits(address(0), operators[2]), PAYMENT / 2, "half");
        assertEq(coordinator.credits(address(0), operators[1]), 0, "none for silence");

        vm.warp(block.timestamp + 20 minutes);
        coordinator.forfeit(requestId, operators[1]);
        assertEq(coordinator.credits(address(0), address(this)), BOND, "the silent one's bond");
        vm.expectRevert(abi.encodeWithSelector(Panels.NothingToForfeit.selector, operators[1]));
        coordinator.forfeit(requestId, operators[1]);
        vm.expectRevert(abi.encodeWithSelector(Panels.NothingToForfeit.selector, operators[0]));
        coordinator.forfeit(requestId, operators[0]);
    }

    function test_anEarlyConclusionLeavesTheOthersTheirBonds() public {
        for (uint256 i = 0; i < 3; ++i) {
            commitTo(i, answer(i, OUTPUT));
        }
        vm.warp(block.timestamp + 11 minutes);
        reveal(0, answer(0, OUTPUT));
        reveal(2, answer(2, OUTPUT));
        coordinator.conclude(answer(2, OUTPUT), operators[2], voices(0, OUTPUT));
        reveal(1, answer(1, OUTPUT));
        assertEq(coordinator.stakes(operators[1]), 1 ether, "in time, so the bond is free");
        vm.warp(block.timestamp + 20 minutes);
        vm.expectRevert(abi.encodeWithSelector(Panels.NothingToForfeit.selector, operators[1]));
        coordinator.forfeit(requestId, operators[1]);
    }

    function test_disagreementPaysNobody() public {
        commitTo(0, answer(0, OUTPUT));
        commitTo(1, answer(1, "another"));
        vm.warp(block.timestamp + 11 minutes);
        reveal(0, answer(0, OUTPUT));
        reveal(1, answer(1, "another"));
        Receipt memory receipt = answer(0, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(Panels.VoiceInvalid.selector, operators[1]));
        coordinator.conclude(receipt, operators[0], voices(1, "another"));
        vm.expectRevert(abi.encodeWithSelector(Panels.VoiceInvalid.selector, operators[1]));
        coordinator.conclude(receipt, operators[0], voices(1, OUTPUT));
        vm.expectRevert(abi.encodeWithSelector(Panels.VoiceInvalid.selector, operators[0]));
        coordinator.conclude(receipt, operators[0], voices(0, OUTPUT));
        vm.expectRevert(abi.encodeWithSelector(Panels.ThresholdMissed.selector, 1, 2));
        coordinator.conclude(receipt, operators[0], new Panels.Voice[](0));
        vm.warp(block.timestamp + 2 hours);
        vm.expectRevert(Panels.ConcludeClosed.selector);
        coordinator.conclude(receipt, operators[0], voices(1, "another"));
        coordinator.refund(requestId);
        assertEq(coordinator.credits(address(0), address(this)), PAYMENT, "back");
    }

    function test_aCopierHasNothingToCopy() public {
        commitTo(0, answer(0, OUTPUT));
        vm.prank(operators[1]);
        coordinator.commit(requestId, keccak256("something"));
        vm.warp(block.timestamp + 11 minutes);
        reveal(0, answer(0, OUTPUT));
        Receipt memory copied = answer(0, OUTPUT);
        copied.statement.settlement = settlementOf(1);
        copied.signature = sign(1, Digests.hash(copied.statement));
        vm.prank(operators[1]);
        vm.expectRevert(Panels.CommitmentMismatch.selector);
        coordinator.reveal(copied, "", SALT);
    }

    /// @dev Statement digests are public as soon as they are logged: the copier commits to one, waits and reveals it first.
    function test_anotherOperatorsAnswerIsNoVote() public {
        Receipt memory theirs = answer(0, OUTPUT);
        commitTo(0, theirs);
        commitTo(1, theirs);
        vm.warp(block.timestamp + 11 minutes);
        bytes memory refused =
            abi.encodeWithSelector(RequestBook.SettlementMismatch.selector, settlementOf(1), settlementOf(0));
        vm.prank(operators[1]);
        vm.expectRevert(refused);
        coordinator.reveal(theirs, "", SALT);
        reveal(0, theirs);
        assertEq(coordinator.stakes(operators[0]), 1 ether, "the author has its bond");
        vm.prank(operators[1]);
        vm.expectRevert(refused);
        coordinator.reveal(theirs, "", SALT);
        vm.warp(block.timestamp + 20 minutes);
        coordinator.forfeit(requestId, operators[1]);
        assertEq(coordinator.credits(address(0), address(this)), BOND, "the copier loses its own");
    }

    /// @dev What is handed to the consumer is what was verified: nobody swaps a signature, salt or delivery on the way.
    function test_theReceiptIsConcludedAsItWasRevealed() public {
        commitTo(0, answer(0, OUTPUT));
        commitTo(1, answer(1, OUTPUT));
        vm.warp(block.timestamp + 11 minutes);
        reveal(0, answer(0, OUTPUT));
        reveal(1, answer(1, OUTPUT));
        Receipt memory receipt = answer(0, OUTPUT);
        receipt.signature.r ^= bytes32(uint256(1));
        concludeRefused(receipt);
        receipt = answer(0, OUTPUT);
        receipt.outputSalt = 0;
        concludeRefused(receipt);
        receipt = answer(0, OUTPUT);
        receipt.referenceValueId = "another";
        concludeRefused(receipt);
        receipt = answer(0, OUTPUT);
        receipt.inclusions = new Inclusion[](1);
        concludeRefused(receipt);
        coordinator.conclude(answer(0, OUTPUT), operators[0], voices(1, OUTPUT));
    }

    function test_aKeysetHasOneVote() public {
        Receipt memory again = answer(0, OUTPUT);
        again.statement.settlement = settlementOf(1);
        again.signature = sign(1, Digests.hash(again.statement));
        commitTo(0, answer(0, OUTPUT));
        commitTo(1, again);
        vm.warp(block.timestamp + 11 minutes);
        reveal(0, answer(0, OUTPUT));
        vm.prank(operators[1]);
        vm.expectRevert(abi.encodeWithSelector(Panels.KeysetVoted.selector, keysets[0]));
        coordinator.reveal(again, "", SALT);
    }

    function test_aHaltCostsNobodyTheBond() public {
        commitTo(0, answer(0, OUTPUT));
        commitTo(1, answer(1, OUTPUT));
        registry.setHalted(true);
        refuseRelease(0, Panels.RevealClosed.selector);
        vm.warp(block.timestamp + 11 minutes);
        Receipt memory receipt = answer(0, OUTPUT);
        vm.prank(operators[0]);
        vm.expectRevert(IEnclaveRegistry.Halted.selector);
        coordinator.reveal(receipt, "", SALT);
        vm.prank(operators[0]);
        coordinator.release(requestId);
        assertEq(coordinator.stakes(operators[0]), 1 ether, "free");
        refuseRelease(0, Panels.CommitmentMismatch.selector);
        refuseRelease(2, Panels.CommitmentMismatch.selector);
        registry.setHalted(false);
        vm.prank(operators[0]);
        vm.expectRevert(Panels.CommitmentMismatch.selector);
        coordinator.reveal(receipt, "", SALT);
        refuseRelease(1, Panels.NotHalted.selector);
        reveal(1, answer(1, OUTPUT));
        registry.setHalted(true);
        refuseRelease(1, Panels.CommitmentMismatch.selector);
        vm.warp(block.timestamp + 20 minutes);
        refuseRelease(1, Panels.RevealClosed.selector);
        vm.expectRevert(abi.encodeWithSelector(Panels.NothingToForfeit.selector, operators[0]));
        coordinator.forfeit(requestId, operators[0]);
    }

    function refuseRelease(uint256 index, bytes4 selector) private {
        vm.prank(operators[index]);
        vm.expectRevert(selector);
        coordinator.release(requestId);
    }

    function test_phases() public {
        Receipt memory receipt = answer(0, OUTPUT);
        commitTo(0, receipt);
        vm.startPrank(operators[0]);
        vm.expectRevert(Panels.RevealClosed.selector);
        coordinator.reveal(receipt, "", SALT);
        vm.expectRevert(abi.encodeWithSelector(Panels.AlreadyVoted.selector, operators[0]));
        coordinator.commit(requestId, SALT);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(Panels.NotOnPanel.selector, address(this)));
        coordinator.commit(requestId, SALT);
        vm.expectRevert(RequestBook.OperatorMissing.selector);
        coordinator.deliver(receipt, "");
        vm.warp(block.timestamp + 11 minutes);
        vm.prank(operators[1]);
        vm.expectRevert(Panels.CommitClosed.selector);
        coordinator.commit(requestId, SALT);
        vm.warp(block.timestamp + 10 minutes);
        vm.prank(operators[0]);
        vm.expectRevert(Panels.RevealClosed.selector);
        coordinator.reveal(receipt, "", SALT);
    }

    function test_aBoundStakeIsNotFetched() public {
        commitTo(0, answer(0, OUTPUT));
        vm.startPrank(operators[0]);
        vm.expectRevert(abi.encodeWithSelector(Panels.StakeTooLow.selector, 1 ether - BOND, 1 ether));
        coordinator.unstake(1 ether);
        coordinator.unstake(1 ether - BOND);
        coordinator.withdraw(address(0), operators[0], 1 ether - BOND);
        vm.stopPrank();
        assertEq(operators[0].balance, 1 ether - BOND, "the rest");
    }

    function test_whoHasNoStakeHasNoVote() public {
        vm.startPrank(operators[0]);
        coordinator.unstake(1 ether);
        vm.expectRevert(abi.encodeWithSelector(Panels.StakeTooLow.selector, 0, BOND));
        coordinator.commit(requestId, SALT);
        vm.stopPrank();
    }

    function test_panelsAreChecked() public {
        Panels.PanelTerms memory panel = panelOf(0);
        panel.threshold = 1;
        refusePanel(panel);
        panel.threshold = 4;
        refusePanel(panel);
        panel = panelOf(0);
        panel.operators[1] = panel.operators[0];
        refusePanel(panel);
        panel = panelOf(0);
        panel.revealUntilSeconds = panel.commitUntilSeconds;
        refusePanel(panel);
        panel = panelOf(0);
        panel.operators = new address[](1);
        refusePanel(panel);
    }

    function test_tolerance() public view {
        int256[] memory left = new int256[](2);
        int256[] memory right = new int256[](2);
        (left[0], left[1]) = (1_000_000, -5);
        (right[0], right[1]) = (1_000_010, 5);
        bytes memory a = abi.encode(left);
        bytes memory b = abi.encode(right);
        assertTrue(this.agree(a, b, 10), "within");
        assertTrue(!this.agree(a, b, 9), "beyond");
        assertTrue(!this.agree(a, b, 0), "exact");
        assertTrue(this.agree("bytes", "bytes", 0), "the same bytes");
        assertTrue(!this.agree("bytes", "other", 1000), "no list");
        (left[0], right[0]) = (type(int256).min, type(int256).max);
        assertTrue(!this.agree(abi.encode(left), abi.encode(right), type(uint256).max - 1), "far");
        assertTrue(!this.agree(abi.encode(left), abi.encode(new int256[](3)), 1000), "another length");
    }

    function panelTerms() private view returns (Terms memory terms) {
        terms = termsOf();
        terms.operator = address(0);
    }

    function panelOf(uint256 tolerance) private view returns (Panels.PanelTerms memory panel) {
        panel.operators = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            panel.operators[i] = operators[i];
        }
        panel.threshold = 2;
        panel.commitUntilSeconds = uint40(block.timestamp + 10 minutes);
        panel.revealUntilSeconds = uint40(block.timestamp + 20 minutes);
        panel.bond = BOND;
        panel.tolerance = tolerance;
    }

    function refusePanel(Panels.PanelTerms memory panel) private {
        Terms memory terms = panelTerms();
        vm.expectRevert(Panels.PanelInvalid.selector);
        coordinator.requestPanel{value: PAYMENT}(terms, committed(), panel);
    }

    function answer(uint256 index, bytes memory output) private view returns (Receipt memory receipt) {
        InferenceStatement memory statement = answerOf(requestId);
        statement.keysetDigest = keysets[index];
        statement.settlement = settlementOf(index);
        statement.audience = keccak256(abi.encode(block.chainid, address(this)));
        statement.issuedAtMs = uint64(START_SECONDS * 1000);
        statement.outputDigest = keccak256(abi.encode(OUTPUT_SALT, output));
        receipt = receiptOf(statement);
        receipt.encodedOutput = output;
        receipt.signature = sign(index + 1, Digests.hash(statement));
    }

    function settlementOf(uint256 index) private view returns (bytes32) {
        return keccak256(abi.encode(requestId, operators[index]));
    }

    function concludeRefused(Receipt memory receipt) private {
        vm.expectRevert(abi.encodeWithSelector(Panels.VoiceInvalid.selector, operators[0]));
        coordinator.conclude(receipt, operators[0], voices(1, OUTPUT));
    }

    function commitTo(uint256 index, Receipt memory receipt) private {
        address operator = operators[index];
        bytes32 commitment = coordinator.commitmentOfVote(requestId, operator, digestOf(receipt), SALT);
        vm.prank(operator);
        coordinator.commit(requestId, commitment);
    }

    function reveal(uint256 index, Receipt memory receipt) private {
        vm.prank(operators[index]);
        coordinator.reveal(receipt, "", SALT);
    }

    function voices(uint256 index, bytes memory output) private view returns (Panels.Voice[] memory list) {
        list = new Panels.Voice[](1);
        list[0] = Panels.Voice(operators[index], output);
    }
}
