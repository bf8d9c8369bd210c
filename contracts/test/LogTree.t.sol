// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LogTree} from "../src/receipts/LogTree.sol";
import {History} from "./support/History.sol";
import {Tree} from "./support/Tree.sol";
import {Vectors} from "./support/Vectors.sol";

contract LogTreeTest is Vectors {
    History.Levels private levels;
    bytes32 private constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    function include(bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata proof, bytes32 root)
        external
        view
    {
        LogTree.requireInclusion(leaf, index, size, proof, root);
    }

    function extend(
        uint64 first,
        uint64 second,
        bytes32 firstRoot,
        bytes32 secondRoot,
        bytes32[] calldata proof
    ) external view {
        LogTree.requireConsistency(first, second, firstRoot, secondRoot, proof);
    }

    function test_inclusionVectors() public {
        string[] memory cases = vectors("inclusion-");
        for (uint256 i = 0; i < cases.length; ++i) {
            string memory json = cases[i];
            if (isRefused(json)) vm.expectRevert();
            this.include(
                word(json, ".input.leafHash"),
                uint64At(json, ".input.index"),
                uint64At(json, ".input.size"),
                vm.parseJsonBytes32Array(json, ".input.proof"),
                word(json, ".input.root")
            );
        }
    }

    function test_consistencyVectors() public {
        string[] memory cases = vectors("consistency-");
        for (uint256 i = 0; i < cases.length; ++i) {
            string memory json = cases[i];
            uint64 first = uint64At(json, ".input.first");
            // A contract has no head of size 0: the first anchor proves nothing.
            if (isRefused(json) || first == 0) vm.expectRevert();
            this.extend(
                first,
                uint64At(json, ".input.second"),
                word(json, ".input.firstRoot"),
                word(json, ".input.secondRoot"),
                vm.parseJsonBytes32Array(json, ".input.proof")
            );
        }
    }

    /// @dev What the invariants' long runs take roots and proofs from.
    function test_historiesAreTrees() public {
        History.grow(levels, 7, 5);
        for (uint64 size = 1; size <= 32; ++size) {
            bytes32[] memory leaves = Tree.leaves(size, 7);
            assertEq(History.root(levels, size), Tree.root(leaves), "root");
            for (uint64 first = 1; first < size; ++first) {
                bytes32[] memory proof = History.consistency(levels, first, size);
                assertEq(
                    keccak256(abi.encode(proof)),
                    keccak256(abi.encode(Tree.consistency(leaves, first))),
                    "proof"
                );
            }
        }
    }

    function test_everyLeafOfSmallTrees() public view {
        for (uint64 size = 1; size <= 20; ++size) {
            bytes32[] memory leaves = Tree.leaves(size, 7);
            for (uint64 index = 0; index < size; ++index) {
                this.include(leaves[index], index, size, Tree.inclusion(leaves, index), Tree.root(leaves));
            }
            for (uint64 first = 1; first <= size; ++first) {
                bytes32[] memory start = Tree.slice(leaves, 0, first);
                this.extend(first, size, Tree.root(start), Tree.root(leaves), Tree.consistency(leaves, first));
            }
        }
    }

    function testFuzz_anotherLeafOrPlaceIsRefused(uint64 size, uint64 index, uint64 other, uint256 seed)
        public
    {
        size = uint64(bound(size, 2, 40));
        index = uint64(bound(index, 0, size - 1));
        other = uint64(bound(other, 0, size - 1));
        bytes32[] memory leaves = Tree.leaves(size, seed);
        bytes32[] memory proof = Tree.inclusion(leaves, index);
        bytes32 root = Tree.root(leaves);
        if (other != index) vm.expectRevert(LogTree.InclusionInvalid.selector);
        this.include(leaves[index], other, size, proof, root);
    }

    function testFuzz_corruptInclusionIsRefused(uint64 size, uint64 index, uint8 place, uint8 bit) public {
        size = uint64(bound(size, 2, 40));
        index = uint64(bound(index, 0, size - 1));
        bytes32[] memory leaves = Tree.leaves(size, 3);
        bytes32[] memory proof = Tree.inclusion(leaves, index);
        bytes32 root = Tree.root(leaves);
        proof[place % proof.length] ^= bytes32(uint256(1) << bit);
        vm.expectRevert(LogTree.InclusionInvalid.selector);
        this.include(leaves[index], index, size, proof, root);
    }

    function testFuzz_corruptConsistencyIsRefused(uint64 first, uint64 size, uint8 place, uint8 bit) public {
        size = uint64(bound(size, 2, 40));
        first = uint64(bound(first, 1, size - 1));
        bytes32[] memory leaves = Tree.leaves(size, 3);
        bytes32[] memory proof = Tree.consistency(leaves, first);
        bytes32 firstRoot = Tree.root(Tree.slice(leaves, 0, first));
        bytes32 root = Tree.root(leaves);
        proof[place % proof.length] ^= bytes32(uint256(1) << bit);
        vm.expectRevert(LogTree.ConsistencyInvalid.selector);
        this.extend(first, size, firstRoot, root, proof);
    }

    function test_lengthsAreExact() public {
        bytes32[] memory leaves = Tree.leaves(11, 1);
        bytes32[] memory proof = Tree.inclusion(leaves, 6);
        bytes32 root = Tree.root(leaves);
        bytes32[] memory longer = new bytes32[](proof.length + 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            longer[i] = proof[i];
        }
        vm.expectRevert(LogTree.InclusionInvalid.selector);
        this.include(leaves[6], 6, 11, longer, root);
        vm.expectRevert(LogTree.InclusionInvalid.selector);
        this.include(leaves[6], 6, 11, Tree.slice(proof, 0, proof.length - 1), root);
        vm.expectRevert(LogTree.PositionInvalid.selector);
        this.include(leaves[6], 11, 11, proof, root);
        vm.expectRevert(LogTree.PositionInvalid.selector);
        this.include(leaves[6], 0, 0, proof, EMPTY_ROOT);
    }
}
