// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Tree} from "./Tree.sol";

/// @notice One log's tree at every size up to a power of two: all complete subtrees are hashed once, so that roots and proofs of long
/// runs cost a few reads. `Tree` says the same by the definitions of RFC 9162.
library History {
    struct Levels {
        mapping(uint256 level => mapping(uint256 index => bytes32)) nodes;
    }

    /// @dev The leaves of `Tree.leaves(2^height, seed)`.
    function grow(Levels storage levels, uint256 seed, uint256 height) internal {
        bytes32[] memory below = Tree.leaves(uint64(2 ** height), seed);
        for (uint256 level = 0; level <= height; ++level) {
            for (uint256 i = 0; i < below.length; ++i) {
                levels.nodes[level][i] = below[i];
            }
            bytes32[] memory above = new bytes32[](below.length / 2);
            for (uint256 i = 0; i < above.length; ++i) {
                above[i] = Tree.node(below[2 * i], below[2 * i + 1]);
            }
            below = above;
        }
    }

    function root(Levels storage levels, uint256 size) internal view returns (bytes32) {
        return range(levels, 0, size);
    }

    /// @dev 0 < first < size: RFC 9162 section 2.1.4.1, from the largest subtree down, then turned round.
    function consistency(Levels storage levels, uint256 first, uint256 size)
        internal
        view
        returns (bytes32[] memory proof)
    {
        bytes32[] memory found = new bytes32[](64);
        uint256 count = 0;
        uint256 start = 0;
        uint256 end = size;
        while (first != end) {
            uint256 middle = start + Tree.splitOf(end - start);
            if (first <= middle) {
                found[count++] = range(levels, middle, end);
                end = middle;
            } else {
                found[count++] = range(levels, start, middle);
                start = middle;
            }
        }
        if (start != 0) found[count++] = range(levels, start, end);
        proof = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            proof[i] = found[count - 1 - i];
        }
    }

    /// @dev The hash over the leaves from `start`, a multiple of the power of two that the range does not exceed, to `end`.
    function range(Levels storage levels, uint256 start, uint256 end) private view returns (bytes32 hash) {
        uint256 length = end - start;
        for (uint256 level = 0; length >> level != 0; ++level) {
            if ((length >> level) & 1 == 0) continue;
            bytes32 subtree = levels.nodes[level][(end >> level) - 1];
            hash = hash == 0 ? subtree : Tree.node(subtree, hash);
        }
    }
}
