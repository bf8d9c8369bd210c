// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ICheckpointAnchor} from "./interfaces/ICheckpointAnchor.sol";
import {IEnclaveRegistry, Key, LISTED_FLAG} from "./interfaces/IEnclaveRegistry.sol";
import {
    Inclusion,
    IReceiptVerifier,
    Receipt,
    Requirements,
    SignedProof,
    SignedReexecution
} from "./interfaces/IReceiptVerifier.sol";
import {LogTree} from "./receipts/LogTree.sol";
import {ReceiptSignature} from "./receipts/ReceiptSignature.sol";
import {
    InferenceStatement,
    LEAF_INFERENCE_STATEMENT,
    OUTCOME_DELIVERED,
    PROOF_FLAG,
    REEXECUTION_FLAG,
    Signature,
    StatementDigest
} from "./receipts/Statements.sol";

/// @title Receipts, checked on chain
/// @notice Keeps nothing and trusts its registry and its anchor alone. docs/spec/contracts.md has the order of the checks.
contract ReceiptVerifier is IReceiptVerifier {
    /// @dev How far the host's clock may run ahead of the chain's.
    uint256 private constant CLOCK_SKEW_SECONDS = 300;

    IEnclaveRegistry public immutable registry;
    ICheckpointAnchor public immutable anchor;

    constructor(IEnclaveRegistry registry_, ICheckpointAnchor anchor_) {
        registry = registry_;
        anchor = anchor_;
    }

    /// @inheritdoc IReceiptVerifier
    function verify(Receipt calldata receipt, Requirements calldata requirements)
        external
        view
        returns (bytes32)
    {
        return verifyFor(msg.sender, receipt, requirements);
    }

    /// @inheritdoc IReceiptVerifier
    function verifyFor(address consumer, Receipt calldata receipt, Requirements calldata requirements)
        public
        view
        returns (bytes32 statementDigest)
    {
        InferenceStatement calldata statement = receipt.statement;
        requireAudience(consumer, statement.audience);
        requireAge(statement.issuedAtMs, requirements.maxAgeSeconds);
        statementDigest = StatementDigest.hash(statement);

        Key memory key = registry.keyOf(statement.keysetDigest);
        requireSigner(key, statement.keysetDigest, statementDigest, receipt.signature);
        requireAccepted(key, statement.keysetDigest, consumer, receipt, requirements);
        if (receipt.inclusions.length == 0) {
            requireActive(key, statement.keysetDigest, block.timestamp);
        } else {
            requireActive(key, statement.keysetDigest, anchoredAt(receipt, statementDigest));
        }

        if (outputDigest(receipt.outputSalt, receipt.encodedOutput) != statement.outputDigest) {
            revert OutputMismatch();
        }
        requireDeliveries(consumer, statementDigest, receipt, requirements);
    }

    /// @dev The audience is keccak256(abi.encode(chain id, consumer)): a receipt for one consumer is worth nothing to another.
    function requireAudience(address consumer, bytes32 actual) private view {
        if (actual == 0) revert AudienceMissing();
        bytes32 expected;
        assembly ("memory-safe") {
            mstore(0, chainid())
            mstore(0x20, consumer)
            expected := keccak256(0, 0x40)
        }
        if (actual != expected) revert AudienceMismatch(expected, actual);
    }

    function requireAge(uint64 issuedAtMs, uint64 maxAgeSeconds) private view {
        uint256 issuedAtSeconds = issuedAtMs / 1000;
        if (issuedAtSeconds > block.timestamp + CLOCK_SKEW_SECONDS) revert IssuedInFuture(issuedAtMs);
        if (maxAgeSeconds != 0 && issuedAtSeconds + maxAgeSeconds < block.timestamp) {
            revert ReceiptTooOld(issuedAtMs);
        }
    }

    function requireSigner(
        Key memory key,
        bytes32 keysetDigest,
        bytes32 statementDigest,
        Signature calldata signature
    ) private pure {
        if (key.signer == address(0)) revert KeysetUnknown(keysetDigest);
        address signer = ReceiptSignature.recover(statementDigest, signature);
        if (signer != key.signer) revert SignerMismatch(key.signer, signer);
    }

    function requireAccepted(
        Key memory key,
        bytes32 keysetDigest,
        address consumer,
        Receipt calldata receipt,
        Requirements calldata requirements
    ) private view {
        bool accepted = requirements.pinned
            ? registry.matchesPin(consumer, keysetDigest, receipt.referenceValueId)
            : key.flags & LISTED_FLAG != 0;
        if (!accepted) revert KeysetNotAccepted(keysetDigest);
    }

    /// @dev Whether the key counted at `atSeconds`: now, or when a head with the statement in it was anchored.
    function requireActive(Key memory key, bytes32 keysetDigest, uint256 atSeconds) private pure {
        if (key.revokedAtSeconds != 0 && atSeconds >= key.revokedAtSeconds) {
            revert KeysetRevoked(keysetDigest, key.revokedAtSeconds);
        }
        if (atSeconds > key.expiresAtSeconds) revert KeysetExpired(keysetDigest, key.expiresAtSeconds);
    }

    function anchoredAt(Receipt calldata receipt, bytes32 statementDigest) private view returns (uint64) {
        if (receipt.inclusions.length != 1) revert TooMany();
        Inclusion calldata inclusion = receipt.inclusions[0];
        bytes32 keysetDigest = receipt.statement.keysetDigest;
        bytes32 leaf =
            LogTree.leafHash(LEAF_INFERENCE_STATEMENT, statementDigest, keysetDigest, receipt.signature);
        bytes32 logId = registry.logOf(keysetDigest);
        return anchor.requireIncluded(logId, inclusion.size, leaf, inclusion.index, inclusion.proof);
    }

    /// @dev keccak256(abi.encode(bytes32 salt, bytes encodedOutput)).
    function outputDigest(bytes32 salt, bytes calldata encodedOutput) private pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            let padded := and(add(encodedOutput.length, 31), not(31))
            mstore(scratch, salt)
            mstore(add(scratch, 0x20), 0x40)
            mstore(add(scratch, 0x40), encodedOutput.length)
            mstore(add(scratch, add(0x40, padded)), 0)
            calldatacopy(add(scratch, 0x60), encodedOutput.offset, encodedOutput.length)
            // Where the output ends inside a word, the word's rest is 0: calldatacopy left the zeroes written above.
            digest := keccak256(scratch, add(0x60, padded))
        }
    }

    function requireDeliveries(
        address consumer,
        bytes32 subject,
        Receipt calldata receipt,
        Requirements calldata requirements
    ) private view {
        if (receipt.proofs.length > 1 || receipt.reexecutions.length > 1) {
            revert TooMany();
        }
        uint8 missing = requirements.delivered;
        if (receipt.proofs.length == 1) {
            SignedProof calldata proof = receipt.proofs[0];
            if (proof.statement.subject != subject || proof.statement.outcome != OUTCOME_DELIVERED) {
                revert DeliveryInvalid(PROOF_FLAG);
            }
            bytes32 digest = StatementDigest.hash(proof.statement);
            requireDelivery(consumer, digest, proof.keysetDigest, proof.signature, receipt, requirements);
            missing &= ~PROOF_FLAG;
        }
        if (receipt.reexecutions.length == 1) {
            SignedReexecution calldata reexecution = receipt.reexecutions[0];
            if (
                reexecution.statement.subject != subject || reexecution.statement.outcome != OUTCOME_DELIVERED
            ) {
                revert DeliveryInvalid(REEXECUTION_FLAG);
            }
            bytes32 digest = StatementDigest.hash(reexecution.statement);
            requireDelivery(
                consumer, digest, reexecution.keysetDigest, reexecution.signature, receipt, requirements
            );
            missing &= ~REEXECUTION_FLAG;
        }
        if (missing != 0) revert DeliveryMissing(missing);
    }

    /// @dev A delivery is signed by a key that counts now: only the receipt itself can lean on an anchored head.
    function requireDelivery(
        address consumer,
        bytes32 digest,
        bytes32 keysetDigest,
        Signature calldata signature,
        Receipt calldata receipt,
        Requirements calldata requirements
    ) private view {
        Key memory key = registry.keyOf(keysetDigest);
        requireSigner(key, keysetDigest, digest, signature);
        requireAccepted(key, keysetDigest, consumer, receipt, requirements);
        requireActive(key, keysetDigest, block.timestamp);
    }
}
