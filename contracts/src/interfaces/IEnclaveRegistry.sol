// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TcbStatus} from "./IQuoteVerifier.sol";

/// @notice What a signature check reads of a keyset, in one storage slot.
/// @param signer the receipt key's address; 0: the keyset is unknown
/// @param expiresAtSeconds Unix time: the keyset's own `not_after`, or the end of its evidence's collateral where that is earlier
/// @param revokedAtSeconds Unix time of the block that revoked it; 0: not revoked
/// @param flags `LISTED_FLAG`, `DEVELOPMENT_FLAG`
/// @param tcbStatus as its newest quote showed it
struct Key {
    address signer;
    uint40 expiresAtSeconds;
    uint40 revokedAtSeconds;
    uint8 flags;
    TcbStatus tcbStatus;
}

/// @dev The keyset's measurements match a reference value of the registry's owner.
uint8 constant LISTED_FLAG = 1;
/// @dev The quote proves nothing: chain ids 31337 and 1337 only.
uint8 constant DEVELOPMENT_FLAG = 2;

/// @notice Which receipt keys live in which attested code.
interface IEnclaveRegistry {
    /// @notice The owner has stopped all verification.
    error Halted();

    /// @notice The key of a keyset. Neither expiry nor revocation nor listing has been checked.
    /// @param keysetDigest SHA-256 of the keyset's JCS text
    function keyOf(bytes32 keysetDigest) external view returns (Key memory);

    /// @notice The log that the keyset names, see `KeysetText.logId`; 0: the keyset is unknown.
    function logOf(bytes32 keysetDigest) external view returns (bytes32);

    /// @notice Whether `consumer` pinned `referenceValueId`, and the keyset's quote matched it.
    function matchesPin(address consumer, bytes32 keysetDigest, bytes32 referenceValueId)
        external
        view
        returns (bool);
}
