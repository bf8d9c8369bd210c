// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TcbStatus} from "./IQuoteVerifier.sol";

/// @notice What a signature check reads of a keyset, packed in one storage slot and one word of return data. From the low end:
/// signer (160 bits), `expiresAtSeconds` (40), `revokedAtSeconds` (40), flags (8), TCB status (8). 0: the keyset is unknown.
type Key is uint256;

using KeyFields for Key global;

/// @dev The keyset's measurements match a reference value of the registry's owner.
uint8 constant LISTED_FLAG = 1;
/// @dev The quote proves nothing: chain ids 31337 and 1337 only.
uint8 constant DEVELOPMENT_FLAG = 2;

library KeyFields {
    function pack(address signer_, uint40 expiresAt, uint8 flags_, TcbStatus status)
        internal
        pure
        returns (Key)
    {
        return Key.wrap(
            uint256(uint160(signer_)) | uint256(expiresAt) << 160 | uint256(flags_) << 240 | uint256(status)
                << 248
        );
    }

    function isKnown(Key key) internal pure returns (bool) {
        return Key.unwrap(key) != 0;
    }

    /// @notice The receipt key's address.
    function signer(Key key) internal pure returns (address) {
        return address(uint160(Key.unwrap(key)));
    }

    /// @notice Unix time: the keyset's own `not_after`, or the end of its evidence's collateral where that is earlier.
    function expiresAtSeconds(Key key) internal pure returns (uint256) {
        return (Key.unwrap(key) >> 160) & type(uint40).max;
    }

    /// @notice Unix time of the block that revoked it; 0: not revoked.
    function revokedAtSeconds(Key key) internal pure returns (uint256) {
        return (Key.unwrap(key) >> 200) & type(uint40).max;
    }

    function isListed(Key key) internal pure returns (bool) {
        return (Key.unwrap(key) >> 240) & LISTED_FLAG != 0;
    }

    function flags(Key key) internal pure returns (uint8) {
        return uint8(Key.unwrap(key) >> 240);
    }

    /// @notice As the newest quote showed it.
    function tcbStatus(Key key) internal pure returns (TcbStatus) {
        return TcbStatus(uint8(Key.unwrap(key) >> 248));
    }

    function listed(Key key) internal pure returns (Key) {
        return Key.wrap(Key.unwrap(key) | uint256(LISTED_FLAG) << 240);
    }

    function revoked(Key key, uint40 atSeconds) internal pure returns (Key) {
        return Key.wrap(Key.unwrap(key) | uint256(atSeconds) << 200);
    }

    /// @notice Whether the key counts at that time, for code that the registry's owner lists.
    function isListedAndActive(Key key, uint256 atSeconds) internal pure returns (bool) {
        return key.isListed() && key.isActive(atSeconds);
    }

    /// @notice Whether the key counts at that time.
    function isActive(Key key, uint256 atSeconds) internal pure returns (bool) {
        uint256 revokedAt = key.revokedAtSeconds();
        return
            key.isKnown() && (revokedAt == 0 || atSeconds < revokedAt) && atSeconds <= key.expiresAtSeconds();
    }
}

/// @notice Which receipt keys live in which attested code.
interface IEnclaveRegistry {
    /// @notice The owner has stopped all verification.
    error Halted();
    error KeysetUnknown(bytes32 keysetDigest);

    /// @notice The key of a keyset. Neither expiry nor revocation nor listing has been checked.
    /// @param keysetDigest SHA-256 of the keyset's JCS text
    function keyOf(bytes32 keysetDigest) external view returns (Key);

    /// @notice The log that the keyset names, see `KeysetText.logId`; 0: the keyset is unknown.
    function logOf(bytes32 keysetDigest) external view returns (bytes32);

    /// @notice Whether `consumer` pins `referenceValueId`, or did at that time, and a quote of the keyset matched it.
    /// @param pinnedAtSeconds Unix time, inclusive; a time to come: only what is pinned now. Between the first pin and the last
    /// end gaps do not show.
    function matchesPin(
        address consumer,
        bytes32 keysetDigest,
        bytes32 referenceValueId,
        uint256 pinnedAtSeconds
    ) external view returns (bool);
}
