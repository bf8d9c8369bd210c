// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {CheckpointAnchor} from "../src/CheckpointAnchor.sol";
import {ICheckpointAnchor} from "../src/interfaces/ICheckpointAnchor.sol";
import {LogTree} from "../src/receipts/LogTree.sol";
import {Checkpoint, Signature} from "../src/receipts/Statements.sol";
import {KeysetText} from "../src/registry/KeysetText.sol";
import {Digests} from "./support/Digests.sol";
import {Fixture} from "./support/Fixture.sol";
import {Tree} from "./support/Tree.sol";

contract CheckpointAnchorTest is Fixture {
    bytes32[] private leaves;
    bytes32 private logId;

    function setUp() public override {
        super.setUp();
        leaves = Tree.leaves(50, 1);
        logId = registry.logOf(keysetDigest);
    }

    function test_headsFollowEachOther() public {
        anchorSize(0, 5);
        anchorSize(5, 11);
        anchorSize(11, 50);
        (uint64 size, uint64 time) = anchor.heads(logId);
        assertEq(size, 50, "size");
        assertEq(time, block.timestamp, "time");
        assertEq(anchor.roots(logId, 11), rootAt(11), "older heads stay");
        anchor.requireIncluded(logId, 11, leaves[3], 3, Tree.inclusion(Tree.slice(leaves, 0, 11), 3));
    }

    function test_notNewer() public {
        anchorSize(0, 11);
        (Checkpoint memory checkpoint, Signature memory signature) = signed(11);
        vm.expectRevert(abi.encodeWithSelector(CheckpointAnchor.NotNewer.selector, 11, 11));
        anchor.anchor(checkpoint, LOG_KEY, signature, new bytes32[](0));
        (checkpoint, signature) = signed(5);
        vm.expectRevert(abi.encodeWithSelector(CheckpointAnchor.NotNewer.selector, 11, 5));
        anchor.anchor(checkpoint, LOG_KEY, signature, new bytes32[](0));
    }

    function test_anEmptyLogIsNotAnchored() public {
        Checkpoint memory checkpoint = Checkpoint(ORIGIN, 0, sha256(""), keysetDigest, 0);
        Signature memory signature = sign(SIGNER_KEY, Digests.hash(checkpoint));
        vm.expectRevert(abi.encodeWithSelector(CheckpointAnchor.NotNewer.selector, 0, 0));
        anchor.anchor(checkpoint, LOG_KEY, signature, new bytes32[](0));
    }

    function test_aForkIsRefused() public {
        anchorSize(0, 11);
        bytes32[] memory fork = Tree.leaves(20, 2);
        Checkpoint memory checkpoint =
            Checkpoint(ORIGIN, 20, Tree.root(fork), keysetDigest, uint64(block.timestamp * 1000));
        Signature memory signature = sign(SIGNER_KEY, Digests.hash(checkpoint));
        bytes32[] memory proof = Tree.consistency(fork, 11);
        vm.expectRevert(LogTree.ConsistencyInvalid.selector);
        anchor.anchor(checkpoint, LOG_KEY, signature, proof);
    }

    function test_theFirstHeadHasNoProof() public {
        (Checkpoint memory checkpoint, Signature memory signature) = signed(5);
        vm.expectRevert(CheckpointAnchor.ProofUnexpected.selector);
        anchor.anchor(checkpoint, LOG_KEY, signature, new bytes32[](1));
    }

    function test_anotherLogIsRefused() public {
        (Checkpoint memory checkpoint, Signature memory signature) = signed(5);
        bytes32 other = KeysetText.logId(keccak256(bytes(ORIGIN)), bytes32(uint256(1)));
        vm.expectRevert(abi.encodeWithSelector(CheckpointAnchor.LogMismatch.selector, logId, other));
        anchor.anchor(checkpoint, bytes32(uint256(1)), signature, new bytes32[](0));
        checkpoint.origin = "log.example/other";
        other = KeysetText.logId(keccak256("log.example/other"), LOG_KEY);
        vm.expectRevert(abi.encodeWithSelector(CheckpointAnchor.LogMismatch.selector, logId, other));
        anchor.anchor(checkpoint, LOG_KEY, signature, new bytes32[](0));
    }

    function testFuzz_anyChangedFieldIsRefused(uint8 field, uint64 change) public {
        (Checkpoint memory checkpoint, Signature memory signature) = signed(5);
        change = uint64(bound(change, 1, type(uint64).max - 5));
        field = uint8(bound(field, 0, 3));
        if (field == 0) checkpoint.size += change;
        if (field == 1) checkpoint.root ^= bytes32(uint256(change));
        if (field == 2) checkpoint.keysetDigest ^= bytes32(uint256(change));
        if (field == 3) checkpoint.timeMs ^= change;
        vm.expectRevert();
        anchor.anchor(checkpoint, LOG_KEY, signature, new bytes32[](0));
    }

    function test_aRevokedKeyAnchorsNothing() public {
        (Checkpoint memory checkpoint, Signature memory signature) = signed(5);
        registry.revoke(keysetDigest);
        vm.expectRevert(abi.encodeWithSelector(CheckpointAnchor.KeysetNotActive.selector, keysetDigest));
        anchor.anchor(checkpoint, LOG_KEY, signature, new bytes32[](0));
    }

    function test_anExpiredKeyAnchorsNothing() public {
        (Checkpoint memory checkpoint, Signature memory signature) = signed(5);
        vm.warp(NOT_AFTER_SECONDS + 1);
        vm.expectRevert(abi.encodeWithSelector(CheckpointAnchor.KeysetNotActive.selector, keysetDigest));
        anchor.anchor(checkpoint, LOG_KEY, signature, new bytes32[](0));
    }

    function test_unknownHead() public {
        vm.expectRevert(abi.encodeWithSelector(ICheckpointAnchor.CheckpointUnknown.selector, logId, 7));
        anchor.requireIncluded(logId, 7, leaves[0], 0, new bytes32[](0));
    }

    function test_gasOfInclusionIn2To20Leaves() public {
        // A tree whose leaves are all alike: level by level one hash.
        bytes32[] memory proof = new bytes32[](20);
        bytes32 node = leaves[0];
        for (uint256 i = 0; i < 20; ++i) {
            proof[i] = node;
            node = sha256(bytes.concat(hex"01", node, node));
        }
        Checkpoint memory checkpoint = Checkpoint(ORIGIN, 1 << 20, node, keysetDigest, 0);
        anchor.anchor(checkpoint, LOG_KEY, sign(SIGNER_KEY, Digests.hash(checkpoint)), new bytes32[](0));
        anchor.requireIncluded(logId, 1 << 20, leaves[0], 699_050, proof);
        vm.snapshotGasLastCall("inclusion_2_20");
    }

    function rootAt(uint64 size) private view returns (bytes32) {
        return Tree.root(Tree.slice(leaves, 0, size));
    }

    function signed(uint64 size) private view returns (Checkpoint memory checkpoint, Signature memory) {
        checkpoint = Checkpoint(ORIGIN, size, rootAt(size), keysetDigest, uint64(block.timestamp * 1000));
        return (checkpoint, sign(SIGNER_KEY, Digests.hash(checkpoint)));
    }

    function anchorSize(uint64 first, uint64 size) private {
        (Checkpoint memory checkpoint, Signature memory signature) = signed(size);
        bytes32[] memory proof =
            first == 0 ? new bytes32[](0) : Tree.consistency(Tree.slice(leaves, 0, size), first);
        anchor.anchor(checkpoint, LOG_KEY, signature, proof);
    }
}
