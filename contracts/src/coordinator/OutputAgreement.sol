// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Whether two outputs say the same
library OutputAgreement {
    uint256 private constant MAX_VALUES = 4096;

    /// @param tolerance of each value of abi.encode(int256[]); 0: the same bytes
    function agree(bytes calldata left, bytes calldata right, uint256 tolerance)
        internal
        pure
        returns (bool)
    {
        if (keccak256(left) == keccak256(right)) return true;
        if (tolerance == 0 || left.length != right.length || !isList(left) || !isList(right)) return false;
        for (uint256 offset = 64; offset < left.length; offset += 32) {
            if (distance(wordAt(left, offset), wordAt(right, offset)) > tolerance) return false;
        }
        return true;
    }

    /// @dev abi.encode(int256[]) and nothing else: 0x20, the count, so many words.
    function isList(bytes calldata output) private pure returns (bool) {
        if (output.length < 64 || uint256(wordAt(output, 0)) != 32) return false;
        uint256 count = uint256(wordAt(output, 32));
        return count <= MAX_VALUES && output.length == 64 + 32 * count;
    }

    function wordAt(bytes calldata output, uint256 offset) private pure returns (int256) {
        return int256(uint256(bytes32(output[offset:offset + 32])));
    }

    /// @dev Two int256 are at most 2^256 - 1 apart.
    function distance(int256 left, int256 right) private pure returns (uint256) {
        unchecked {
            return left > right ? uint256(left) - uint256(right) : uint256(right) - uint256(left);
        }
    }
}
