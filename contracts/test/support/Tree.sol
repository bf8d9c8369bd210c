// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice Trees and proofs by the recursive definitions of RFC 9162 section 2.1, over leaf hashes.
library Tree {
    function leaves(uint64 size, uint256 seed) internal pure returns (bytes32[] memory made) {
        made = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            made[i] = keccak256(abi.encode(seed, i));
        }
    }

    function slice(bytes32[] memory from, uint256 start, uint256 end)
        internal
        pure
        returns (bytes32[] memory part)
    {
        part = new bytes32[](end - start);
        for (uint256 i = 0; i < part.length; ++i) {
            part[i] = from[start + i];
        }
    }

    function root(bytes32[] memory hashes) internal pure returns (bytes32) {
        if (hashes.length == 1) return hashes[0];
        uint256 split = splitOf(hashes.length);
        return node(root(slice(hashes, 0, split)), root(slice(hashes, split, hashes.length)));
    }

    function inclusion(bytes32[] memory hashes, uint256 index) internal pure returns (bytes32[] memory) {
        if (hashes.length == 1) return new bytes32[](0);
        uint256 split = splitOf(hashes.length);
        bytes32[] memory left = slice(hashes, 0, split);
        bytes32[] memory right = slice(hashes, split, hashes.length);
        if (index < split) return append(inclusion(left, index), root(right));
        return append(inclusion(right, index - split), root(left));
    }

    function consistency(bytes32[] memory hashes, uint256 first) internal pure returns (bytes32[] memory) {
        return subproof(hashes, first, true);
    }

    function subproof(bytes32[] memory hashes, uint256 first, bool whole)
        private
        pure
        returns (bytes32[] memory)
    {
        if (first == hashes.length) {
            return whole ? new bytes32[](0) : append(new bytes32[](0), root(hashes));
        }
        uint256 split = splitOf(hashes.length);
        bytes32[] memory left = slice(hashes, 0, split);
        bytes32[] memory right = slice(hashes, split, hashes.length);
        if (first <= split) return append(subproof(left, first, whole), root(right));
        return append(subproof(right, first - split, false), root(left));
    }

    function splitOf(uint256 length) internal pure returns (uint256 split) {
        split = 1;
        while (split * 2 < length) split *= 2;
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(bytes.concat(hex"01", left, right));
    }

    function append(bytes32[] memory list, bytes32 last) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < list.length; ++i) {
            longer[i] = list[i];
        }
        longer[list.length] = last;
    }
}
