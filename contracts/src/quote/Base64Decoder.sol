// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Strict base64 (RFC 4648 section 4), 32 characters at a time
/// @notice Canonical text alone: no character outside of the alphabet, padding where it belongs, unused bits zero. The libraries'
/// decoders read on over what is none.
library Base64Decoder {
    error Base64Malformed();

    /// @dev 1, and the top bit, of each byte.
    uint256 private constant ONE = 0x0101010101010101010101010101010101010101010101010101010101010101;
    uint256 private constant TOP = 0x8080808080808080808080808080808080808080808080808080808080808080;

    /// @notice The bytes that `text` stands for. `text` is spent: its padding is written over.
    function decode(bytes memory text) internal pure returns (bytes memory data) {
        unchecked {
            uint256 length = text.length;
            if (length == 0 || length % 4 != 0) revert Base64Malformed();
            uint256 padding = text[length - 1] != "=" ? 0 : text[length - 2] != "=" ? 1 : 2;
            for (uint256 i = 1; i <= padding; i++) {
                text[length - i] = "A";
            }
            // 32 more, since each word of characters is stored as a whole word.
            data = new bytes((length * 3) / 4 + 32);
            for (uint256 offset = 0; offset < length; offset += 32) {
                uint256 characters;
                assembly ("memory-safe") {
                    characters := mload(add(add(text, 0x20), offset))
                }
                if (length - offset < 32) {
                    uint256 beyond = type(uint256).max >> (8 * (length - offset));
                    characters = (characters & ~beyond) | (ONE * 0x41 & beyond);
                }
                uint256 decoded = pack(valuesOf(characters));
                assembly ("memory-safe") {
                    mstore(add(add(data, 0x20), div(mul(offset, 3), 4)), decoded)
                }
            }
            // Where the padding was now stands A, all zeros, so these bytes hold the unused bits.
            length = (length * 3) / 4;
            for (uint256 i = 1; i <= padding; i++) {
                if (data[length - i] != 0) revert Base64Malformed();
            }
            assembly ("memory-safe") {
                mstore(data, sub(length, padding))
            }
        }
    }

    /// @dev What each of 32 characters means, a byte each.
    function valuesOf(uint256 characters) private pure returns (uint256 values) {
        unchecked {
            if (characters & TOP != 0) revert Base64Malformed();
            uint256 raised = characters | TOP;
            uint256 upper = atLeast(raised, 0x41) ^ atLeast(raised, 0x5b);
            uint256 lower = atLeast(raised, 0x61) ^ atLeast(raised, 0x7b);
            uint256 from0 = atLeast(raised, 0x30);
            uint256 digit = from0 ^ atLeast(raised, 0x3a);
            uint256 plus = atLeast(raised, 0x2b) ^ atLeast(raised, 0x2c);
            uint256 slash = atLeast(raised, 0x2f) ^ from0;
            // Each character is of one kind at most.
            if (upper | lower | digit | plus | slash != ONE) revert Base64Malformed();
            return characters + digit * 4 + plus * 19 + slash * 16 - upper * 65 - lower * 71;
        }
    }

    /// @dev 1 in each byte that is at least `least`; no byte borrows from the next, since each has its top bit set.
    function atLeast(uint256 raised, uint256 least) private pure returns (uint256) {
        unchecked {
            return ((raised - ONE * least) & TOP) >> 7;
        }
    }

    /// @dev 32 values of 6 bits as 24 bytes, left-aligned: pairs of lanes are moved together, five times.
    function pack(uint256 v) private pure returns (uint256) {
        uint256 low = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
        v = ((v & ~low) >> 2) | (v & low);
        low = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
        v = ((v & ~low) >> 4) | (v & low);
        low = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
        v = ((v & ~low) >> 8) | (v & low);
        low = 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
        v = ((v & ~low) >> 16) | (v & low);
        low = type(uint128).max;
        return (((v & ~low) >> 32) | (v & low)) << 64;
    }
}
