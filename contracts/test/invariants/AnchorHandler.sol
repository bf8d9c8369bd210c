// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {CheckpointAnchor} from "../../src/CheckpointAnchor.sol";
import {Checkpoint} from "../../src/receipts/Statements.sol";
import {Digests} from "../support/Digests.sol";
import {Fixture} from "../support/Fixture.sol";
import {History} from "../support/History.sol";

/// @notice An operator whose key signs what it is asked to: heads of two histories of one log, and what belongs to neither.
/// Each call tells whether the anchor did as it should.
contract AnchorHandler is Fixture {
    using History for History.Levels;

    struct Head {
        uint64 size;
        bytes32 root;
    }

    struct Attempt {
        Checkpoint checkpoint;
        bytes32[] proof;
        uint256 key;
    }

    /// @dev 2^11 leaves: more than a run of 500 calls anchors.
    uint256 private constant HEIGHT = 11;
    CheckpointAnchor private immutable subject;
    bytes32 private immutable digest;
    bytes32 public immutable logId;
    History.Levels[2] private histories;
    Head[] private heads;
    uint64 public largest;
    /// @notice The history of the first head.
    uint256 public history;
    uint256 public calls;
    uint256 public grown;
    uint256 public refused;

    constructor(CheckpointAnchor subject_, bytes32 keysetDigest_, bytes32 logId_) {
        (subject, digest, logId) = (subject_, keysetDigest_, logId_);
        histories[0].grow(0, HEIGHT);
        histories[1].grow(1, HEIGHT);
    }

    function setUp() public override {}

    function count() external view returns (uint256) {
        return heads.length;
    }

    function headAt(uint256 index) external view returns (uint64 size, bytes32 root) {
        return (heads[index].size, heads[index].root);
    }

    function rootOf(uint256 which, uint64 size) external view returns (bytes32) {
        return histories[which].root(size);
    }

    /// @notice The next head of the history that the first head chose.
    function grow(uint8 by) external {
        ++calls;
        if (heads.length == 0) history = by >> 7;
        Attempt memory next = attemptOf(history, by);
        if (next.checkpoint.size == 0) return;
        assertTrue(post(next), "a later head of the same history");
        largest = next.checkpoint.size;
        heads.push(Head(largest, next.checkpoint.root));
        ++grown;
    }

    /// @notice The other history's next head, with the proof that its own tree gives.
    function fork(uint8 by) external {
        ++calls;
        if (heads.length == 0) return;
        refuse(attemptOf(1 - history, by));
    }

    /// @notice The right next head with one thing wrong.
    function forge(uint8 by, uint8 how, bytes32 noise) external {
        ++calls;
        if (heads.length == 0) return;
        Attempt memory next = attemptOf(history, by);
        if (next.checkpoint.size == 0) return;
        if (noise == 0) noise = "noise";
        uint256 place = uint256(noise) % next.proof.length;
        how = how % 10;
        if (how == 0) next.checkpoint.root ^= noise;
        if (how == 1) next.proof[place] ^= noise;
        if (how == 2) next.proof = resized(next.proof, next.proof.length - 1, noise);
        if (how == 3) next.proof = resized(next.proof, next.proof.length + 1, noise);
        if (how == 4) next.checkpoint.size = uint64(uint256(noise) % (largest + 1));
        if (how == 5) next.key = 1 + uint256(noise) % 1000;
        if (how == 6) next.checkpoint.origin = "log.example/other";
        if (how == 7) next.checkpoint.keysetDigest ^= noise;
        if (how == 8) next.checkpoint = Checkpoint(ORIGIN, largest, noise, digest, 0);
        if (how == 9) next = attemptAt(history, largest, new bytes32[](0));
        refuse(next);
    }

    /// @notice Any size, any root, any proof.
    function anchorForged(uint64 size, bytes32 root, bytes32[] memory proof) external {
        ++calls;
        if (heads.length == 0) return;
        refuse(Attempt(Checkpoint(ORIGIN, size, root, digest, 0), proof, SIGNER_KEY));
    }

    /// @dev One to four leaves more; size 0 where the history is at its end.
    function attemptOf(uint256 which, uint8 by) private view returns (Attempt memory next) {
        uint64 size = largest + 1 + by % 4;
        if (size > 2 ** HEIGHT) return next;
        bytes32[] memory none = new bytes32[](0);
        return attemptAt(which, size, largest == 0 ? none : histories[which].consistency(largest, size));
    }

    function attemptAt(uint256 which, uint64 size, bytes32[] memory proof)
        private
        view
        returns (Attempt memory)
    {
        bytes32 root = histories[which].root(size);
        return Attempt(Checkpoint(ORIGIN, size, root, digest, 0), proof, SIGNER_KEY);
    }

    function refuse(Attempt memory attempt) private {
        if (attempt.checkpoint.size == 0 && attempt.proof.length == 0) return;
        assertTrue(!post(attempt), "anchored what is not the history's");
        ++refused;
    }

    function post(Attempt memory attempt) private returns (bool ok) {
        bytes memory data = abi.encodeCall(
            CheckpointAnchor.anchor,
            (attempt.checkpoint, LOG_KEY, sign(attempt.key, Digests.hash(attempt.checkpoint)), attempt.proof)
        );
        (ok,) = address(subject).call(data);
    }

    function resized(bytes32[] memory proof, uint256 length, bytes32 filler)
        private
        pure
        returns (bytes32[] memory other)
    {
        other = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) {
            other[i] = i < proof.length ? proof[i] : filler;
        }
    }
}
