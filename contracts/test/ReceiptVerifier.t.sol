// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EnclaveRegistry} from "../src/EnclaveRegistry.sol";
import {IEnclaveRegistry} from "../src/interfaces/IEnclaveRegistry.sol";
import {
    Inclusion,
    IReceiptVerifier,
    PINNED_NOW,
    Receipt,
    Requirements,
    SignedProof,
    SignedReexecution
} from "../src/interfaces/IReceiptVerifier.sol";
import {LogTree} from "../src/receipts/LogTree.sol";
import {ReceiptSignature} from "../src/receipts/ReceiptSignature.sol";
import {
    Checkpoint,
    InferenceStatement,
    Proof,
    PROOF_FLAG,
    Reexecution,
    REEXECUTION_FLAG,
    Signature
} from "../src/receipts/Statements.sol";
import {RequestIds} from "../src/receipts/RequestIds.sol";
import {Digests} from "./support/Digests.sol";
import {Fixture} from "./support/Fixture.sol";
import {Tree} from "./support/Tree.sol";

contract ReceiptVerifierTest is Fixture {
    using RequestIds for RequestIds.Consumed;

    /// @dev secp256k1's group order (SEC 2, section 2.4.1).
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    RequestIds.Consumed private consumed;

    function test_aValidReceipt() public {
        Receipt memory receipt = validReceipt();
        bytes32 digest = verifier.verifyFor(CONSUMER, receipt, nothingMore());
        vm.snapshotGasLastCall("receipt");
        assertEq(digest, Digests.hash(receipt.statement), "digest");
        vm.prank(CONSUMER);
        assertEq(verifier.verify(receipt, nothingMore()), digest, "the consumer itself");
    }

    function test_aReceiptIsForItsConsumerAlone() public {
        Receipt memory receipt = validReceipt();
        bytes32 expected = keccak256(abi.encode(block.chainid, address(this)));
        bytes memory mismatch = abi.encodeWithSelector(
            IReceiptVerifier.AudienceMismatch.selector, expected, receipt.statement.audience
        );
        vm.expectRevert(mismatch);
        verifier.verify(receipt, nothingMore());
        receipt.statement.audience = 0;
        vm.expectRevert(IReceiptVerifier.AudienceMissing.selector);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_aReceiptIsForItsChainAlone() public {
        Receipt memory receipt = validReceipt();
        vm.chainId(1337);
        vm.expectRevert();
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function testFuzz_anyChangedWordIsRefused(uint8 index, uint256 change) public {
        Receipt memory receipt = validReceipt();
        index = uint8(bound(index, 0, 16));
        uint256 mask = index < 13 ? type(uint256).max : index == 13 ? 0xff : type(uint64).max;
        change = bound(change, 1, type(uint256).max - 1) & mask;
        if (change == 0) change = 1;
        InferenceStatement memory statement = receipt.statement;
        assembly ("memory-safe") {
            let word := add(statement, mul(index, 0x20))
            mstore(word, xor(mload(word), change))
        }
        vm.expectRevert();
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function testFuzz_anyOtherOutputIsRefused(bytes32 salt, bytes memory output) public {
        Receipt memory receipt = validReceipt();
        receipt.encodedOutput = output;
        receipt.outputSalt = salt;
        vm.expectRevert(IReceiptVerifier.OutputMismatch.selector);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function testFuzz_anyOutputOfTheStatementIsAccepted(bytes32 salt, bytes memory output) public view {
        InferenceStatement memory statement = statementOf(CONSUMER);
        statement.outputDigest = keccak256(abi.encode(salt, output));
        Receipt memory receipt = receiptOf(statement);
        receipt.encodedOutput = output;
        receipt.outputSalt = salt;
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_anotherSigner() public {
        Receipt memory receipt = validReceipt();
        receipt.signature = sign(1, Digests.hash(receipt.statement));
        vm.expectRevert(
            abi.encodeWithSelector(IReceiptVerifier.SignerMismatch.selector, vm.addr(SIGNER_KEY), vm.addr(1))
        );
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_theMirroredSignatureIsRefused() public {
        Receipt memory receipt = validReceipt();
        receipt.signature.s = bytes32(ORDER - uint256(receipt.signature.s));
        receipt.signature.v = receipt.signature.v == 27 ? 28 : 27;
        vm.expectRevert(ReceiptSignature.SignatureHighS.selector);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_vIs27Or28() public {
        Receipt memory receipt = validReceipt();
        receipt.signature.v -= 27;
        vm.expectRevert(ReceiptSignature.SignatureInvalid.selector);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_unknownKeyset() public {
        InferenceStatement memory statement = statementOf(CONSUMER);
        statement.keysetDigest = bytes32(uint256(1));
        Receipt memory receipt = receiptOf(statement);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.KeysetUnknown.selector, bytes32(uint256(1))));
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_expiredKeyset() public {
        Receipt memory receipt = validReceipt();
        vm.warp(NOT_AFTER_SECONDS + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IReceiptVerifier.KeysetExpired.selector, keysetDigest, NOT_AFTER_SECONDS)
        );
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_revokedKeyset() public {
        Receipt memory receipt = validReceipt();
        registry.revoke(keysetDigest);
        vm.expectRevert(
            abi.encodeWithSelector(IReceiptVerifier.KeysetRevoked.selector, keysetDigest, block.timestamp)
        );
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_halted() public {
        Receipt memory receipt = validReceipt();
        registry.setHalted(true);
        vm.expectRevert(IEnclaveRegistry.Halted.selector);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_age() public {
        Receipt memory receipt = validReceipt();
        Requirements memory requirements = Requirements(0, 0, 60);
        vm.warp(block.timestamp + 60);
        verifier.verifyFor(CONSUMER, receipt, requirements);
        vm.warp(block.timestamp + 1);
        uint64 issuedAtMs = receipt.statement.issuedAtMs;
        vm.expectRevert(abi.encodeWithSelector(IReceiptVerifier.ReceiptTooOld.selector, issuedAtMs));
        verifier.verifyFor(CONSUMER, receipt, requirements);
        vm.warp(issuedAtMs / 1000 - 301);
        vm.expectRevert(abi.encodeWithSelector(IReceiptVerifier.IssuedInFuture.selector, issuedAtMs));
        verifier.verifyFor(CONSUMER, receipt, requirements);
    }

    function test_pinnedCode() public {
        Receipt memory receipt = validReceipt();
        Requirements memory requirements = Requirements(0, PINNED_NOW, 0);
        receipt.referenceValueId = referenceValueId;
        vm.expectRevert(abi.encodeWithSelector(IReceiptVerifier.KeysetNotAccepted.selector, keysetDigest));
        verifier.verifyFor(CONSUMER, receipt, requirements);
        vm.prank(CONSUMER);
        registry.pin(referenceValueId, true);
        verifier.verifyFor(CONSUMER, receipt, requirements);
        receipt.referenceValueId = bytes32(uint256(1));
        vm.prank(CONSUMER);
        registry.pin(bytes32(uint256(1)), true);
        vm.expectRevert(abi.encodeWithSelector(IReceiptVerifier.KeysetNotAccepted.selector, keysetDigest));
        verifier.verifyFor(CONSUMER, receipt, requirements);
    }

    function test_aPinTakenBackCountsForItsTime() public {
        Receipt memory receipt = validReceipt();
        receipt.referenceValueId = referenceValueId;
        uint64 pinnedAt = uint64(block.timestamp);
        setPin(true);
        vm.warp(pinnedAt + 10);
        setPin(false);
        verifier.verifyFor(CONSUMER, receipt, Requirements(0, pinnedAt, 0));
        verifier.verifyFor(CONSUMER, receipt, Requirements(0, pinnedAt + 10, 0));
        vm.warp(pinnedAt + 20);
        setPin(false);
        refusePinnedAt(receipt, pinnedAt - 1);
        refusePinnedAt(receipt, pinnedAt + 11);
        refusePinnedAt(receipt, PINNED_NOW);
        setPin(true);
        verifier.verifyFor(CONSUMER, receipt, Requirements(0, PINNED_NOW, 0));
        setPin(false);
        verifier.verifyFor(CONSUMER, receipt, Requirements(0, pinnedAt, 0));
        refusePinnedAt(receipt, PINNED_NOW);
    }

    function setPin(bool pinned) private {
        vm.prank(CONSUMER);
        registry.pin(referenceValueId, pinned);
    }

    function refusePinnedAt(Receipt memory receipt, uint64 atSeconds) private {
        vm.expectRevert(abi.encodeWithSelector(IReceiptVerifier.KeysetNotAccepted.selector, keysetDigest));
        verifier.verifyFor(CONSUMER, receipt, Requirements(0, atSeconds, 0));
    }

    function test_unlistedCodeNeedsAPin() public {
        registers[0] ^= 0x01;
        uint256 otherKey = uint256(keccak256("another receipt key"));
        EnclaveRegistry.Registration memory registration =
            registrationOf(keysetText(vm.addr(otherKey), NOT_AFTER_SECONDS));
        InferenceStatement memory statement = statementOf(CONSUMER);
        statement.keysetDigest = registry.register(registration);
        Receipt memory receipt = receiptOf(statement);
        receipt.signature = sign(otherKey, Digests.hash(statement));
        vm.expectRevert(
            abi.encodeWithSelector(IReceiptVerifier.KeysetNotAccepted.selector, statement.keysetDigest)
        );
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
        (, bytes32 value,,) = registry.enrolments(statement.keysetDigest);
        vm.prank(CONSUMER);
        registry.pin(value, true);
        receipt.referenceValueId = value;
        verifier.verifyFor(CONSUMER, receipt, Requirements(0, PINNED_NOW, 0));
    }

    function test_aPromiseIsNoDelivery() public {
        InferenceStatement memory statement = statementOf(CONSUMER);
        statement.promised = PROOF_FLAG | REEXECUTION_FLAG;
        Receipt memory receipt = receiptOf(statement);
        for (uint8 flag = 1; flag <= 2; ++flag) {
            vm.expectRevert(abi.encodeWithSelector(IReceiptVerifier.DeliveryMissing.selector, flag));
            verifier.verifyFor(CONSUMER, receipt, Requirements(flag, 0, 0));
        }
        vm.expectRevert(abi.encodeWithSelector(IReceiptVerifier.DeliveryMissing.selector, 4));
        verifier.verifyFor(CONSUMER, receipt, Requirements(4, 0, 0));
    }

    function test_deliveries() public view {
        Receipt memory receipt = validReceipt();
        bytes32 subject = Digests.hash(receipt.statement);
        receipt.proofs = proofOf(Proof(subject, 0, 0, 0, 0, 1, 0), SIGNER_KEY);
        verifier.verifyFor(CONSUMER, receipt, Requirements(PROOF_FLAG, 0, 0));
        receipt.reexecutions = reexecutionOf(Reexecution(subject, 0, 0, 0, 1, 0), SIGNER_KEY);
        verifier.verifyFor(CONSUMER, receipt, Requirements(PROOF_FLAG | REEXECUTION_FLAG, 0, 0));
    }

    function testFuzz_otherOutcomesAndSubjectsAreRefused(uint8 outcome, bytes32 other) public {
        Receipt memory receipt = validReceipt();
        bytes32 subject = Digests.hash(receipt.statement);
        vm.assume(outcome != 1 && other != subject);
        bytes memory refusedProof = abi.encodeWithSelector(IReceiptVerifier.DeliveryInvalid.selector, 1);
        bytes memory refusedReexecution = abi.encodeWithSelector(IReceiptVerifier.DeliveryInvalid.selector, 2);
        receipt.proofs = proofOf(Proof(subject, 0, 0, 0, 0, outcome, 0), SIGNER_KEY);
        vm.expectRevert(refusedProof);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
        receipt.proofs = proofOf(Proof(other, 0, 0, 0, 0, 1, 0), SIGNER_KEY);
        vm.expectRevert(refusedProof);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
        receipt.proofs = new SignedProof[](0);
        receipt.reexecutions = reexecutionOf(Reexecution(subject, 0, 0, 0, outcome, 0), SIGNER_KEY);
        vm.expectRevert(refusedReexecution);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
        receipt.reexecutions = reexecutionOf(Reexecution(other, 0, 0, 0, 1, 0), SIGNER_KEY);
        vm.expectRevert(refusedReexecution);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_aDeliveryOfAnotherSignerIsRefused() public {
        Receipt memory receipt = validReceipt();
        receipt.proofs = proofOf(Proof(Digests.hash(receipt.statement), 0, 0, 0, 0, 1, 0), 1);
        vm.expectRevert(
            abi.encodeWithSelector(IReceiptVerifier.SignerMismatch.selector, vm.addr(SIGNER_KEY), vm.addr(1))
        );
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
        receipt.proofs = new SignedProof[](2);
        vm.expectRevert(IReceiptVerifier.TooMany.selector);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_whatWasAnchoredBeforeTheEndStillCounts() public {
        Receipt memory receipt = includedReceipt();
        registry.revoke(keysetDigest);
        vm.expectRevert(
            abi.encodeWithSelector(IReceiptVerifier.KeysetRevoked.selector, keysetDigest, block.timestamp)
        );
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_anchoredThenRevoked() public {
        Receipt memory receipt = includedReceipt();
        vm.warp(block.timestamp + 1);
        registry.revoke(keysetDigest);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
        vm.snapshotGasLastCall("receipt_included");
        receipt.inclusions[0].index ^= 1;
        vm.expectRevert(LogTree.InclusionInvalid.selector);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
        receipt.inclusions = new Inclusion[](2);
        vm.expectRevert(IReceiptVerifier.TooMany.selector);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_anchoredThenExpired() public {
        Receipt memory receipt = includedReceipt();
        vm.warp(NOT_AFTER_SECONDS + 1);
        verifier.verifyFor(CONSUMER, receipt, nothingMore());
    }

    function test_aRequestIsConsumedOnce() public {
        consumed.consume(keccak256("request"));
        assertTrue(consumed.isConsumed(keccak256("request")), "consumed");
        vm.expectRevert(abi.encodeWithSelector(RequestIds.RequestConsumed.selector, keccak256("request")));
        this.consumeAgain();
    }

    function consumeAgain() external {
        consumed.consume(keccak256("request"));
    }

    /// @dev A receipt that is leaf 3 of an anchored tree of 7.
    function includedReceipt() private returns (Receipt memory receipt) {
        receipt = validReceipt();
        bytes32[] memory leaves = Tree.leaves(7, 1);
        leaves[3] = Digests.leaf(1, Digests.hash(receipt.statement), keysetDigest, receipt.signature);
        Checkpoint memory checkpoint = Checkpoint(ORIGIN, 7, Tree.root(leaves), keysetDigest, 0);
        anchor.anchor(checkpoint, LOG_KEY, sign(SIGNER_KEY, Digests.hash(checkpoint)), new bytes32[](0));
        receipt.inclusions = new Inclusion[](1);
        receipt.inclusions[0] = Inclusion(7, 3, Tree.inclusion(leaves, 3));
    }

    function proofOf(Proof memory statement, uint256 key) private view returns (SignedProof[] memory list) {
        list = new SignedProof[](1);
        list[0] = SignedProof(statement, keysetDigest, sign(key, Digests.hash(statement)));
    }

    function reexecutionOf(Reexecution memory statement, uint256 key)
        private
        view
        returns (SignedReexecution[] memory list)
    {
        list = new SignedReexecution[](1);
        list[0] = SignedReexecution(statement, keysetDigest, sign(key, Digests.hash(statement)));
    }
}
