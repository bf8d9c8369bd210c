// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Calls of generated Halo2 verifiers
/// @notice Two kinds are generated: one that has its verifying key inside, and one for all circuits, which takes the address of a
/// contract that is the key. Neither is declared `view`, and both answer a proof that does not hold with a revert without
/// data; an answer is taken for a yes only where it is the one word 1.
library Halo2 {
    /// @param key the contract that is the verifying key; 0 where the verifier has its own
    function holds(address verifier, address key, bytes memory proof, uint256[] memory instances)
        internal
        view
        returns (bool)
    {
        bytes memory data = key == address(0)
            ? abi.encodeWithSignature("verifyProof(bytes,uint256[])", proof, instances)
            : abi.encodeWithSignature("verifyProof(address,bytes,uint256[])", key, proof, instances);
        uint256 answer;
        uint256 length;
        bool answered;
        // No more than one word is copied, however much comes back.
        assembly ("memory-safe") {
            mstore(0, 0)
            answered := staticcall(gas(), verifier, add(data, 0x20), mload(data), 0, 0x20)
            length := returndatasize()
            answer := mload(0)
        }
        return answered && length == 32 && answer == 1;
    }
}
