// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    DEVELOPMENT_FLAG,
    IEnclaveRegistry,
    Key,
    KeyFields,
    LISTED_FLAG
} from "./interfaces/IEnclaveRegistry.sol";
import {IQuoteVerifier, TcbStatus, Technology, VerifiedQuote} from "./interfaces/IQuoteVerifier.sol";
import {ReceiptSignature} from "./receipts/ReceiptSignature.sol";
import {Revocation, REVOCATION_OF_KEYSET, Signature, StatementDigest} from "./receipts/Statements.sol";
import {KeysetText} from "./registry/KeysetText.sol";
import {ReferenceValue} from "./registry/ReferenceValue.sol";
import {Setting, TimelockedSettings} from "./registry/TimelockedSettings.sol";

/// @title Attested keysets
/// @notice A keyset enters with a fresh, verified quote over its digest, or not at all; whoever submits it is of no account.
/// The owner chooses which code and which firmware is listed, behind a timelock; a consumer that trusts other
/// code pins its own.
contract EnclaveRegistry is IEnclaveRegistry, TimelockedSettings {
    /// @notice What a registration rests on.
    /// @param keyset the keyset's exact JCS text
    /// @param quote over the report data of that keyset and `nonceAt(blockNumber)`
    /// @param verifier one in force
    /// @param blockNumber one of the last 256
    /// @param mask which registers identify the code, see `ReferenceValue`
    struct Registration {
        bytes keyset;
        bytes quote;
        IQuoteVerifier verifier;
        uint256 blockNumber;
        uint256 mask;
    }

    /// @notice What is kept of a registration beside the key.
    struct Enrolment {
        bytes32 logId;
        bytes32 referenceValueId;
        IQuoteVerifier verifier;
        uint32 tcbEvaluationNumber;
    }

    error VerifierNotInForce(address verifier);
    /// @notice The block is not among the last 256.
    error BlockUnknown(uint256 blockNumber);
    error TcbStatusNotAccepted(TcbStatus status);
    error TcbBelowFloor(uint32 evaluationNumber, uint32 floor);
    /// @notice The keyset, or the collateral of its quote, has ended.
    error AlreadyExpired(uint256 expiresAtSeconds);
    /// @notice A renewal must end later than what it renews, under firmware no older, and may not leave the owner's list.
    error NoRenewal(bytes32 keysetDigest);
    /// @notice It is listed already, by code that is in force: only the owner lists it by other code.
    error AlreadyListed(bytes32 keysetDigest);
    /// @notice Revoked for good: the enclave's next keyset is registered instead.
    error AlreadyRevoked(bytes32 keysetDigest);
    /// @notice The reference value is not in force, or not one that the keyset matched.
    error ReferenceValueNotAccepted(bytes32 referenceValueId);
    /// @notice Nothing that the keyset rests on has been withdrawn.
    error StillAccepted(bytes32 keysetDigest);
    /// @notice The revocation is of something else, or not signed by an active key of the same log.
    error RevocationInvalid();
    /// @notice A development quote counts on chain ids 31337 and 1337 only.
    error DevelopmentRefused();

    /// @notice When a consumer pinned a reference value first, and took it back last.
    /// @param untilSeconds 0: it is pinned
    struct Pin {
        uint40 sinceSeconds;
        uint40 untilSeconds;
    }

    /// @param referenceValueId that this quote matched under its mask; a listed keyset keeps the one that lists it (`enrolments`)
    event Registered(
        bytes32 indexed keysetDigest,
        address indexed signer,
        bytes32 indexed referenceValueId,
        bytes32 logId,
        uint256 expiresAtSeconds,
        uint8 flags
    );
    event Listed(bytes32 indexed keysetDigest, bytes32 indexed referenceValueId);
    event Revoked(bytes32 indexed keysetDigest);
    event Pinned(address indexed consumer, bytes32 indexed referenceValueId, bool pinned);

    mapping(bytes32 keysetDigest => Key) private keys;
    mapping(bytes32 keysetDigest => Enrolment) public enrolments;
    /// @notice Reference values that a keyset's quotes matched.
    mapping(bytes32 keysetDigest => mapping(bytes32 referenceValueId => bool)) public matched;
    mapping(address consumer => mapping(bytes32 referenceValueId => Pin)) public pins;

    /// @param verifiers quote verifiers in force from the start, which everyone sees before relying on this registry
    /// @param referenceValueIds likewise
    /// @param tcbStatuses likewise: bit i accepts `TcbStatus` i
    constructor(
        address owner_,
        uint256 delaySeconds_,
        address[] memory verifiers,
        bytes32[] memory referenceValueIds,
        uint8 tcbStatuses,
        uint32 tcbFloor_
    ) TimelockedSettings(owner_, delaySeconds_) {
        for (uint256 i = 0; i < verifiers.length; ++i) {
            putInForce(Setting.QuoteVerifier, bytes32(uint256(uint160(verifiers[i]))));
        }
        for (uint256 i = 0; i < referenceValueIds.length; ++i) {
            putInForce(Setting.ReferenceValue, referenceValueIds[i]);
        }
        for (uint256 status = 0; tcbStatuses >> status != 0; ++status) {
            if (status > MAX_STATUS) revert StatusUnknown(bytes32(status));
            if ((tcbStatuses >> status) & 1 == 1) putInForce(Setting.TcbStatus, bytes32(status));
        }
        tcbFloor = tcbFloor_;
    }

    /// @notice The nonce that a quote for this registry covers: keccak256(abi.encode(chain id, registry, block hash)).
    /// @param blockNumber one of the last 256, so that the quote is no older than that block
    function nonceAt(uint256 blockNumber) public view returns (bytes32) {
        bytes32 hash = blockhash(blockNumber);
        if (hash == 0) revert BlockUnknown(blockNumber);
        return keccak256(abi.encode(block.chainid, address(this), hash));
    }

    /// @notice Enters a keyset, or renews it with newer evidence. It is listed where its code is on the owner's list.
    /// @return keysetDigest SHA-256 of the text
    function register(Registration calldata registration) external returns (bytes32 keysetDigest) {
        if (halted) revert Halted();
        address verifier = address(registration.verifier);
        if (!inForce[Setting.QuoteVerifier][bytes32(uint256(uint160(verifier)))]) {
            revert VerifierNotInForce(verifier);
        }
        KeysetText.Keyset memory keyset = KeysetText.parse(registration.keyset);
        keysetDigest = sha256(registration.keyset);
        bytes32 reportDataHead = KeysetText.reportDataHead(keysetDigest, nonceAt(registration.blockNumber));
        VerifiedQuote memory quote = registration.verifier.verifyQuote(registration.quote, reportDataHead);
        requireTcb(quote.tcbStatus, quote.tcbEvaluationNumber);
        enrol(keysetDigest, keyset, quote, registration);
    }

    /// @notice Lists a keyset whose code has come onto the owner's list since. Anyone may; the owner also moves a listed one to
    /// another reference value that it matched, before withdrawing the one that it is listed by.
    function list(bytes32 keysetDigest, bytes32 referenceValueId) external {
        Key key = knownKey(keysetDigest);
        if (!inForce[Setting.ReferenceValue][referenceValueId] || !matched[keysetDigest][referenceValueId]) {
            revert ReferenceValueNotAccepted(referenceValueId);
        }
        if (isListedByForce(keysetDigest, key) && msg.sender != owner()) revert AlreadyListed(keysetDigest);
        keys[keysetDigest] = key.listed();
        enrolments[keysetDigest].referenceValueId = referenceValueId;
        emit Listed(keysetDigest, referenceValueId);
    }

    /// @notice Revokes a keyset whose code, firmware or quote verifier the owner has withdrawn since. Anyone may.
    function expel(bytes32 keysetDigest) external {
        Key key = knownKey(keysetDigest);
        Enrolment storage enrolment = enrolments[keysetDigest];
        bool accepted = (!key.isListed() || isListedByForce(keysetDigest, key))
            && inForce[Setting.QuoteVerifier][bytes32(uint256(uint160(address(enrolment.verifier))))]
            && enrolment.tcbEvaluationNumber >= tcbFloor && statusAccepted(key.tcbStatus());
        if (accepted) revert StillAccepted(keysetDigest);
        revokeKey(keysetDigest, key);
    }

    /// @notice Ends a keyset: from this block on only what was in an anchored head before counts.
    function revoke(bytes32 keysetDigest) external onlyOwner {
        revokeKey(keysetDigest, knownKey(keysetDigest));
    }

    /// @notice Ends a keyset by a logged `Revocation` of its own log (docs/spec/receipt.md). Anyone may submit it.
    /// @param signerKeyset the keyset under which it was signed: listed, active, of the same log
    function revokeBySignature(
        Revocation calldata revocation,
        bytes32 signerKeyset,
        Signature calldata signature
    ) external {
        Key key = knownKey(revocation.subject);
        Key signing = keys[signerKeyset];
        if (
            revocation.kind != REVOCATION_OF_KEYSET || !signing.isListedAndActive(block.timestamp)
                || enrolments[signerKeyset].logId != enrolments[revocation.subject].logId
                || ReceiptSignature.recover(StatementDigest.hash(revocation), signature) != signing.signer()
        ) revert RevocationInvalid();
        revokeKey(revocation.subject, key);
    }

    /// @notice Trusts, or trusts no more, code of the caller's own choice in verifications that ask for pins. What was asked for
    /// while it was pinned is still answered by it.
    function pin(bytes32 referenceValueId, bool pinned) external {
        Pin storage kept = pins[msg.sender][referenceValueId];
        if (!pinned) {
            if (kept.sinceSeconds != 0 && kept.untilSeconds == 0) {
                kept.untilSeconds = uint40(block.timestamp);
            }
        } else {
            if (kept.sinceSeconds == 0) kept.sinceSeconds = uint40(block.timestamp);
            kept.untilSeconds = 0;
        }
        emit Pinned(msg.sender, referenceValueId, pinned);
    }

    /// @inheritdoc IEnclaveRegistry
    function keyOf(bytes32 keysetDigest) public view returns (Key) {
        if (halted) revert Halted();
        return keys[keysetDigest];
    }

    /// @inheritdoc IEnclaveRegistry
    function logOf(bytes32 keysetDigest) public view returns (bytes32) {
        return enrolments[keysetDigest].logId;
    }

    /// @inheritdoc IEnclaveRegistry
    function matchesPin(
        address consumer,
        bytes32 keysetDigest,
        bytes32 referenceValueId,
        uint256 pinnedAtSeconds
    ) public view returns (bool) {
        Pin memory kept = pins[consumer][referenceValueId];
        bool pinned = kept.untilSeconds == 0
            ? kept.sinceSeconds != 0
            : kept.sinceSeconds <= pinnedAtSeconds && pinnedAtSeconds <= kept.untilSeconds;
        return pinned && matched[keysetDigest][referenceValueId];
    }

    function enrol(
        bytes32 keysetDigest,
        KeysetText.Keyset memory keyset,
        VerifiedQuote memory quote,
        Registration calldata registration
    ) private {
        bool development = quote.technology == Technology.Development;
        if (development && block.chainid != 31337 && block.chainid != 1337) revert DevelopmentRefused();
        bytes32 referenceValueId = ReferenceValue.id(quote, registration.mask);
        uint8 flags = development ? DEVELOPMENT_FLAG : 0;
        if (inForce[Setting.ReferenceValue][referenceValueId]) flags |= LISTED_FLAG;
        uint256 expiresAt = earlier(keyset.notAfterSeconds, quote.expiresAtSeconds);
        if (expiresAt < block.timestamp || expiresAt > type(uint40).max) revert AlreadyExpired(expiresAt);

        Key old = keys[keysetDigest];
        if (old.revokedAtSeconds() != 0) revert AlreadyRevoked(keysetDigest);
        bool renews = expiresAt >= old.expiresAtSeconds()
            && quote.tcbEvaluationNumber >= enrolments[keysetDigest].tcbEvaluationNumber
            && flags & old.flags() == old.flags();
        if (old.isKnown() && !renews) revert NoRenewal(keysetDigest);

        keys[keysetDigest] = KeyFields.pack(keyset.signer, uint40(expiresAt), flags, quote.tcbStatus);
        matched[keysetDigest][referenceValueId] = true;
        // Whoever renews chooses the mask: the code that a keyset is listed by is not theirs to change.
        bytes32 listedBy =
            isListedByForce(keysetDigest, old) ? enrolments[keysetDigest].referenceValueId : referenceValueId;
        enrolments[keysetDigest] =
            Enrolment(keyset.logId, listedBy, registration.verifier, quote.tcbEvaluationNumber);
        emit Registered(keysetDigest, keyset.signer, referenceValueId, keyset.logId, expiresAt, flags);
    }

    function isListedByForce(bytes32 keysetDigest, Key key) private view returns (bool) {
        return key.isListed() && inForce[Setting.ReferenceValue][enrolments[keysetDigest].referenceValueId];
    }

    function requireTcb(TcbStatus status, uint32 evaluationNumber) private view {
        if (!statusAccepted(status)) revert TcbStatusNotAccepted(status);
        if (evaluationNumber < tcbFloor) revert TcbBelowFloor(evaluationNumber, tcbFloor);
    }

    function statusAccepted(TcbStatus status) private view returns (bool) {
        return inForce[Setting.TcbStatus][bytes32(uint256(status))];
    }

    function knownKey(bytes32 keysetDigest) private view returns (Key key) {
        key = keys[keysetDigest];
        if (!key.isKnown()) revert KeysetUnknown(keysetDigest);
        if (key.revokedAtSeconds() != 0) revert AlreadyRevoked(keysetDigest);
    }

    function revokeKey(bytes32 keysetDigest, Key key) private {
        keys[keysetDigest] = key.revoked(uint40(block.timestamp));
        emit Revoked(keysetDigest);
    }

    function earlier(uint256 left, uint256 right) private pure returns (uint256) {
        return left < right ? left : right;
    }
}
