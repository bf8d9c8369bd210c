// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {CheckpointAnchor} from "./CheckpointAnchor.sol";
import {EnclaveRegistry} from "./EnclaveRegistry.sol";
import {ICheckpointAnchor} from "./interfaces/ICheckpointAnchor.sol";
import {Key} from "./interfaces/IEnclaveRegistry.sol";
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
/// @notice The one address that a consumer needs. It is its own registry: a receipt is checked by one call that reads two storage
/// slots. docs/spec/contracts.md has the order of the checks.
contract ReceiptVerifier is EnclaveRegistry, IReceiptVerifier {
    /// @dev How far the host's clock may run ahead of the chain's.
    uint256 private constant CLOCK_SKEW_SECONDS = 300;

    /// @notice Where heads of the logs that the keysets name are anchored; made with this contract.
    ICheckpointAnchor public immutable anchor;

    constructor(
        address owner_,
        uint256 delaySeconds_,
        address[] memory verifiers,
        bytes32[] memory referenceValueIds,
        uint8 tcbStatuses,
        uint32 tcbFloor_
    ) EnclaveRegistry(owner_, delaySeconds_, verifiers, referenceValueIds, tcbStatuses, tcbFloor_) {
        anchor = new CheckpointAnchor(this);
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

        uint256 countsAtSeconds =
            receipt.inclusions.length == 0 ? block.timestamp : anchoredAt(receipt, statementDigest);
        Key key = signingKey(statement.keysetDigest, statementDigest, receipt.signature, countsAtSeconds);
        requireAccepted(key, statement.keysetDigest, consumer, receipt, requirements);
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

    /// @dev Nothing overflows: `issuedAtMs` and `maxAgeSeconds` are below 2^64.
    function requireAge(uint64 issuedAtMs, uint64 maxAgeSeconds) private view {
        unchecked {
            uint256 issuedAtSeconds = uint256(issuedAtMs) / 1000;
            if (issuedAtSeconds > block.timestamp + CLOCK_SKEW_SECONDS) revert IssuedInFuture(issuedAtMs);
            if (maxAgeSeconds != 0 && issuedAtSeconds + maxAgeSeconds < block.timestamp) {
                revert ReceiptTooOld(issuedAtMs);
            }
        }
    }

    /// @dev The key of a keyset that counted at `atSeconds`: now, or when a head with the statement in it was anchored.
    function signingKey(bytes32 keysetDigest, bytes32 digest, Signature calldata signature, uint256 atSeconds)
        private
        view
        returns (Key key)
    {
        key = keyOf(keysetDigest);
        if (!key.isActive(atSeconds)) refuse(key, keysetDigest, atSeconds);
        address signer = ReceiptSignature.recover(digest, signature);
        if (signer != key.signer()) revert SignerMismatch(key.signer(), signer);
    }

    function refuse(Key key, bytes32 keysetDigest, uint256 atSeconds) private pure {
        if (!key.isKnown()) revert KeysetUnknown(keysetDigest);
        uint256 revokedAt = key.revokedAtSeconds();
        if (revokedAt != 0 && atSeconds >= revokedAt) revert KeysetRevoked(keysetDigest, revokedAt);
        revert KeysetExpired(keysetDigest, key.expiresAtSeconds());
    }

    function requireAccepted(
        Key key,
        bytes32 keysetDigest,
        address consumer,
        Receipt calldata receipt,
        Requirements calldata requirements
    ) private view {
        uint256 pinnedAt = requirements.pinnedAtSeconds;
        bool accepted = pinnedAt == 0
            ? key.isListed()
            : matchesPin(consumer, keysetDigest, receipt.referenceValueId, pinnedAt);
        if (!accepted) revert KeysetNotAccepted(keysetDigest);
    }

    function anchoredAt(Receipt calldata receipt, bytes32 statementDigest) private view returns (uint64) {
        if (receipt.inclusions.length != 1) revert TooMany();
        Inclusion calldata inclusion = receipt.inclusions[0];
        bytes32 keysetDigest = receipt.statement.keysetDigest;
        bytes32 leaf =
            LogTree.leafHash(LEAF_INFERENCE_STATEMENT, statementDigest, keysetDigest, receipt.signature);
        bytes32 logId = logOf(keysetDigest);
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
        uint8 missing = requirements.delivered;
        SignedProof[] calldata proofs = receipt.proofs;
        if (proofs.length != 0) {
            if (proofs.length != 1) revert TooMany();
            SignedProof calldata proof = proofs[0];
            if (proof.statement.subject != subject || proof.statement.outcome != OUTCOME_DELIVERED) {
                revert DeliveryInvalid(PROOF_FLAG);
            }
            bytes32 digest = StatementDigest.hash(proof.statement);
            requireDelivery(consumer, digest, proof.keysetDigest, proof.signature, receipt, requirements);
            missing &= ~PROOF_FLAG;
        }
        SignedReexecution[] calldata reexecutions = receipt.reexecutions;
        if (reexecutions.length != 0) {
            if (reexecutions.length != 1) revert TooMany();
            SignedReexecution calldata again = reexecutions[0];
            if (again.statement.subject != subject || again.statement.outcome != OUTCOME_DELIVERED) {
                revert DeliveryInvalid(REEXECUTION_FLAG);
            }
            bytes32 digest = StatementDigest.hash(again.statement);
            requireDelivery(consumer, digest, again.keysetDigest, again.signature, receipt, requirements);
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
        Key key = signingKey(keysetDigest, digest, signature, block.timestamp);
        requireAccepted(key, keysetDigest, consumer, receipt, requirements);
    }
}
