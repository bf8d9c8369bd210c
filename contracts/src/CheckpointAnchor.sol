// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ICheckpointAnchor} from "./interfaces/ICheckpointAnchor.sol";
import {IEnclaveRegistry, Key} from "./interfaces/IEnclaveRegistry.sol";
import {LogTree} from "./receipts/LogTree.sol";
import {ReceiptSignature} from "./receipts/ReceiptSignature.sol";
import {Checkpoint, Signature, StatementDigest} from "./receipts/Statements.sol";
import {KeysetText} from "./registry/KeysetText.sol";

/// @title Heads of transparency logs on chain
/// @notice Anyone may anchor a head that an accepted key signed; each head must extend the one before it, so that an operator
/// cannot show this chain two histories. A log is its origin and its Ed25519 key: a log whose head was signed by a stolen
/// key ends there, and goes on under a new log key.
contract CheckpointAnchor is ICheckpointAnchor {
    /// @notice The newest head of a log.
    struct Head {
        uint64 size;
        uint64 anchoredAtSeconds;
    }

    /// @notice The keyset is unknown, unlisted, revoked or over: its heads are anchored no more.
    error KeysetNotActive(bytes32 keysetDigest);
    error SignerMismatch(address expected, address actual);
    /// @notice The checkpoint's origin and the log key are not those of the keyset.
    error LogMismatch(bytes32 expected, bytes32 actual);
    /// @notice A head at least as large is anchored already.
    error NotNewer(uint64 anchoredSize, uint64 size);
    /// @notice The first head of a log has nothing to be consistent with.
    error ProofUnexpected();

    event Anchored(bytes32 indexed logId, uint64 indexed size, bytes32 root, bytes32 keysetDigest);

    IEnclaveRegistry public immutable registry;
    mapping(bytes32 logId => Head) public heads;
    mapping(bytes32 logId => mapping(uint64 size => bytes32)) public roots;
    mapping(bytes32 logId => mapping(uint64 size => uint64)) public anchoredAt;

    constructor(IEnclaveRegistry registry_) {
        registry = registry_;
    }

    /// @notice Anchors a head of the log that the signing keyset names.
    /// @param logPublicKey Ed25519, as the keyset's text has it
    /// @param consistencyProof RFC 9162 section 2.1.4, from the newest anchored size to `checkpoint.size`; empty for the first
    function anchor(
        Checkpoint calldata checkpoint,
        bytes32 logPublicKey,
        Signature calldata signature,
        bytes32[] calldata consistencyProof
    ) external {
        bytes32 logId = KeysetText.logId(keccak256(bytes(checkpoint.origin)), logPublicKey);
        bytes32 expected = registry.logOf(checkpoint.keysetDigest);
        if (logId != expected) revert LogMismatch(expected, logId);
        requireSigned(checkpoint, signature);

        Head memory head = heads[logId];
        if (checkpoint.size <= head.size) revert NotNewer(head.size, checkpoint.size);
        if (head.size == 0) {
            if (consistencyProof.length != 0) revert ProofUnexpected();
        } else {
            LogTree.requireConsistency(
                head.size, checkpoint.size, roots[logId][head.size], checkpoint.root, consistencyProof
            );
        }
        heads[logId] = Head(checkpoint.size, uint64(block.timestamp));
        roots[logId][checkpoint.size] = checkpoint.root;
        anchoredAt[logId][checkpoint.size] = uint64(block.timestamp);
        emit Anchored(logId, checkpoint.size, checkpoint.root, checkpoint.keysetDigest);
    }

    /// @inheritdoc ICheckpointAnchor
    function requireIncluded(
        bytes32 logId,
        uint64 size,
        bytes32 leafHash,
        uint64 index,
        bytes32[] calldata proof
    ) external view returns (uint64 anchoredAtSeconds) {
        anchoredAtSeconds = anchoredAt[logId][size];
        if (anchoredAtSeconds == 0) revert CheckpointUnknown(logId, size);
        LogTree.requireInclusion(leafHash, index, size, proof, roots[logId][size]);
    }

    function requireSigned(Checkpoint calldata checkpoint, Signature calldata signature) private view {
        Key key = registry.keyOf(checkpoint.keysetDigest);
        if (!key.isListedAndActive(block.timestamp)) revert KeysetNotActive(checkpoint.keysetDigest);
        address signer = ReceiptSignature.recover(StatementDigest.hash(checkpoint), signature);
        if (signer != key.signer()) revert SignerMismatch(key.signer(), signer);
    }
}
