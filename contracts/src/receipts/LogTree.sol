// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Signature} from "./Statements.sol";

/// @title The log's Merkle tree
/// @notice RFC 9162 section 2.1 with SHA-256 (precompile 0x02). A proof is at most 64 hashes: sizes are below 2^64.
library LogTree {
    /// @notice The proof's length is another than index and size ask for, or it leads to another root.
    error InclusionInvalid();
    /// @notice The second tree does not start with the first, or the proof's length is another than the sizes ask for.
    error ConsistencyInvalid();
    /// @notice An index at or above the size, or a first size above the second.
    error PositionInvalid();

    /// @notice sha256(0x00 ‖ leaf data), leaf data = `0x01 ‖ type ‖ statement digest ‖ keyset digest ‖ r ‖ s ‖ v` (131 bytes,
    /// docs/spec/log.md).
    function leafHash(
        uint8 leafType,
        bytes32 statementDigest,
        bytes32 keysetDigest,
        Signature calldata signature
    ) internal pure returns (bytes32) {
        return sha256(
            abi.encodePacked(
                uint8(0),
                uint8(1),
                leafType,
                statementDigest,
                keysetDigest,
                signature.r,
                signature.s,
                signature.v
            )
        );
    }

    /// @notice Reverts unless `leaf` is at `index` of the tree with `size` leaves and `root` (RFC 9162 section 2.1.3.2).
    function requireInclusion(bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata proof, bytes32 root)
        internal
        view
    {
        if (index >= size) revert PositionInvalid();
        uint256 node = index;
        uint256 last = size - 1;
        bytes32 hash = leaf;
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            mstore8(scratch, 1)
            let end := add(proof.offset, shl(5, proof.length))
            for { let place := proof.offset } lt(place, end) { place := add(place, 0x20) } {
                // Longer than the path: a root that no tree has.
                if iszero(last) {
                    hash := not(root)
                    break
                }
                switch or(and(node, 1), eq(node, last))
                case 0 {
                    mstore(add(scratch, 1), hash)
                    mstore(add(scratch, 33), calldataload(place))
                }
                default {
                    mstore(add(scratch, 1), calldataload(place))
                    mstore(add(scratch, 33), hash)
                    for {} iszero(or(and(node, 1), iszero(node))) {} {
                        node := shr(1, node)
                        last := shr(1, last)
                    }
                }
                if iszero(staticcall(gas(), 2, scratch, 65, 0, 32)) { revert(0, 0) }
                hash := mload(0)
                node := shr(1, node)
                last := shr(1, last)
            }
        }
        if (last != 0 || hash != root) revert InclusionInvalid();
    }

    /// @notice Reverts unless the tree of `second` leaves starts with that of `first` leaves (RFC 9162 section 2.1.4.2);
    /// 0 < first <= second.
    function requireConsistency(
        uint64 first,
        uint64 second,
        bytes32 firstRoot,
        bytes32 secondRoot,
        bytes32[] calldata proof
    ) internal view {
        if (first == 0 || first > second) revert PositionInvalid();
        if (first == second) {
            if (proof.length != 0 || firstRoot != secondRoot) revert ConsistencyInvalid();
            return;
        }
        uint256 node = first - 1;
        uint256 last = second - 1;
        while (node & 1 == 1) {
            node >>= 1;
            last >>= 1;
        }
        // Where the first size is a power of two its root is itself a node of the second tree, and the proof leaves it out.
        uint256 next = node == 0 ? 0 : 1;
        if (proof.length < next) revert ConsistencyInvalid();
        bytes32 firstHash = node == 0 ? firstRoot : proof[0];
        bytes32 secondHash = firstHash;
        for (; next < proof.length; ++next) {
            if (last == 0) revert ConsistencyInvalid();
            bytes32 sibling = proof[next];
            if (node & 1 == 1 || node == last) {
                firstHash = nodeHash(sibling, firstHash);
                secondHash = nodeHash(sibling, secondHash);
                while (node & 1 == 0 && node != 0) {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                secondHash = nodeHash(secondHash, sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        if (last != 0 || firstHash != firstRoot || secondHash != secondRoot) revert ConsistencyInvalid();
    }

    /// @dev sha256(0x01 ‖ left ‖ right). The scratch lies above the free memory pointer and is given up again.
    function nodeHash(bytes32 left, bytes32 right) private view returns (bytes32 hash) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            mstore8(scratch, 1)
            mstore(add(scratch, 1), left)
            mstore(add(scratch, 33), right)
            if iszero(staticcall(gas(), 2, scratch, 65, 0, 32)) { revert(0, 0) }
            hash := mload(0)
        }
    }
}
