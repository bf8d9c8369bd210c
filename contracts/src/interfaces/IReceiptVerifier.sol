// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IHaltable} from "./IHaltable.sol";
import {InferenceStatement, Proof, Reexecution, Signature} from "../receipts/Statements.sol";

/// @notice "This statement's proof was delivered", under the keyset that signed it.
struct SignedProof {
    Proof statement;
    bytes32 keysetDigest;
    Signature signature;
}

/// @notice "This statement was executed again, to the same bits", under the keyset that signed it.
struct SignedReexecution {
    Reexecution statement;
    bytes32 keysetDigest;
    Signature signature;
}

/// @notice Where the statement lies in an anchored tree of its log.
struct Inclusion {
    uint64 size;
    uint64 index;
    bytes32[] proof;
}

/// @notice What a submitter shows. Nothing in it is trusted.
/// @param outputSalt `s_output`: HKDF-SHA256 of the request's salt (docs/spec/encoding.md); of a public request a constant
/// @param encodedOutput by the manifest's output kind, such as abi.encode(int256[])
/// @param referenceValueId the pinned reference value that the keyset matches; ignored where the consumer does not ask for pins
/// @param proofs at most one
/// @param reexecutions at most one
/// @param inclusions at most one; with it a keyset that has ended since counts where the head was anchored before
struct Receipt {
    InferenceStatement statement;
    Signature signature;
    bytes32 outputSalt;
    bytes encodedOutput;
    bytes32 referenceValueId;
    SignedProof[] proofs;
    SignedReexecution[] reexecutions;
    Inclusion[] inclusions;
}

/// @dev A time that never was: code that was pinned once and no more does not count.
uint64 constant PINNED_NOW = type(uint64).max;

/// @notice What a consumer wants beyond a valid receipt.
/// @param delivered `PROOF_FLAG`, `REEXECUTION_FLAG`: delivered, not promised
/// @param pinnedAtSeconds 0: code that the registry's owner lists; otherwise code that the consumer pins in the registry, or did at
/// that Unix time; `PINNED_NOW`: that it pins
/// @param maxAgeSeconds by the host's clock; 0: any age
struct Requirements {
    uint8 delivered;
    uint64 pinnedAtSeconds;
    uint64 maxAgeSeconds;
}

/// @notice Checks receipts for contracts.
interface IReceiptVerifier is IHaltable {
    /// @notice The statement names no consumer: it is meant for people.
    error AudienceMissing();
    /// @notice The statement is meant for another consumer, or for this one on another chain.
    error AudienceMismatch(bytes32 expected, bytes32 actual);
    /// @notice Revoked, and not shown to have been in an anchored head before.
    error KeysetRevoked(bytes32 keysetDigest, uint256 revokedAtSeconds);
    /// @notice Over, and not shown to have been in an anchored head before.
    error KeysetExpired(bytes32 keysetDigest, uint256 expiresAtSeconds);
    /// @notice Its code is not on the owner's list, or, where the consumer asked for pins, not among the consumer's.
    error KeysetNotAccepted(bytes32 keysetDigest);
    error SignerMismatch(address expected, address actual);
    /// @notice Issued more than five minutes after this block.
    error IssuedInFuture(uint64 issuedAtMs);
    error ReceiptTooOld(uint64 issuedAtMs);
    /// @notice The output is not the statement's.
    error OutputMismatch();
    /// @notice A required proof or re-execution is not there.
    error DeliveryMissing(uint8 flag);
    /// @notice A proof or re-execution is of another statement, or did not end in delivery.
    error DeliveryInvalid(uint8 flag);
    /// @notice More than one proof, re-execution or inclusion.
    error TooMany();

    /// @notice `verifyFor` with the caller as the consumer.
    function verify(Receipt calldata receipt, Requirements calldata requirements)
        external
        view
        returns (bytes32 statementDigest);

    /// @notice Reverts unless the receipt is `consumer`'s, signed by an accepted key, its output the one shown, and all that is
    /// required delivered. Not checked: model, input, policy and request id, which the caller compares with what it asked
    /// for, and whether it acted on the receipt before (`RequestIds`).
    /// @return statementDigest the EIP-712 digest that was signed
    function verifyFor(address consumer, Receipt calldata receipt, Requirements calldata requirements)
        external
        view
        returns (bytes32 statementDigest);
}
