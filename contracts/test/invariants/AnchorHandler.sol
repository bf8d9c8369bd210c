// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {CheckpointAnchor} from "../../src/CheckpointAnchor.sol";
import {Checkpoint} from "../../src/receipts/Statements.sol";
import {Digests} from "../support/Digests.sol";
import {Fixture} from "../support/Fixture.sol";
import {Tree} from "../support/Tree.sol";

/// @notice An operator whose key signs what it is asked to, two histories included.
contract AnchorHandler is Fixture {
    struct Head {
        uint64 size;
        bytes32 root;
    }

    uint64 private constant MAX_SIZE = 30;
    CheckpointAnchor private immutable subject;
    bytes32 private immutable digest;
    bytes32 public immutable logId;
    uint256 private immutable signerKey;
    bytes32 private immutable logKey;
    Head[] private heads;
    uint64 public largest;
    /// @notice The history of the first head.
    uint256 public history;

    constructor(
        CheckpointAnchor subject_,
        bytes32 keysetDigest_,
        bytes32 logId_,
        uint256 signerKey_,
        bytes32 logKey_
    ) {
        (subject, digest, logId, signerKey, logKey) = (subject_, keysetDigest_, logId_, signerKey_, logKey_);
    }

    function setUp() public override {}

    function count() external view returns (uint256) {
        return heads.length;
    }

    function anchoredAt(uint256 index) external view returns (uint64 size, bytes32 root) {
        return (heads[index].size, heads[index].root);
    }

    function rootOf(uint256 seed, uint64 size) public pure returns (bytes32) {
        return Tree.root(Tree.leaves(size, seed));
    }

    /// @dev Heads of history 0 and 1, each with the proof that its own history has for the anchored size.
    function anchorHead(uint64 growth, bool other) external {
        uint64 size = largest + growth % 5;
        if (size == 0 || size > MAX_SIZE) size = MAX_SIZE;
        uint256 seed = other ? 1 : 0;
        bytes32[] memory leaves = Tree.leaves(size, seed);
        bytes32[] memory proof =
            largest == 0 || largest > size ? new bytes32[](0) : Tree.consistency(leaves, largest);
        post(size, Tree.root(leaves), proof);
        if (heads.length == 1) history = seed;
    }

    /// @dev Any size, any root, any proof.
    function anchorForged(uint64 size, bytes32 root, bytes32[] memory proof) external {
        if (heads.length == 0) revert Untrue("a first head may be anything");
        post(size, root, proof);
    }

    function post(uint64 size, bytes32 root, bytes32[] memory proof) private {
        Checkpoint memory checkpoint = Checkpoint(ORIGIN, size, root, digest, 0);
        subject.anchor(checkpoint, logKey, sign(signerKey, Digests.hash(checkpoint)), proof);
        heads.push(Head(size, root));
        largest = size;
    }
}
