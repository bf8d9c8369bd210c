// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {DateTimeLib} from "solady/utils/DateTimeLib.sol";

/// @title Times that are spelt in decimal digits, in certificates and in JSON
library Calendar {
    /// @notice The number that `count` decimal digits at a position in memory spell.
    function number(uint256 position, uint256 count) internal pure returns (bool valid, uint256 value) {
        unchecked {
            valid = true;
            for (uint256 end = position + count; position < end; position++) {
                uint256 digit;
                assembly ("memory-safe") {
                    digit := sub(byte(0, mload(position)), 48)
                }
                valid = valid && digit < 10;
                value = value * 10 + digit;
            }
        }
    }

    /// @notice Seconds since 1970 of a date and time of the Gregorian calendar in UTC, from 1970 to 9999.
    /// @param position where month, day, hour, minute and second stand, of two digits each
    /// @param stride how far they are apart
    function toSeconds(uint256 year, uint256 position, uint256 stride)
        internal
        pure
        returns (bool valid, uint40 value)
    {
        uint256[5] memory parts;
        for (uint256 i = 0; i < 5; i++) {
            (valid, parts[i]) = number(position + i * stride, 2);
            if (!valid) return (false, 0);
        }
        (uint256 month, uint256 day, uint256 hour) = (parts[0], parts[1], parts[2]);
        valid = year < 10_000 && DateTimeLib.isSupportedDateTime(year, month, day, hour, parts[3], parts[4]);
        if (valid) {
            value = uint40(DateTimeLib.dateTimeToTimestamp(year, month, day, hour, parts[3], parts[4]));
        }
    }
}
