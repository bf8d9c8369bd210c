// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {StatementDigest} from "../receipts/Statements.sol";

/// @notice "The model's owner says that this circuit proves this model", by the enclave that checked the owner's signature.
/// Fields and their meaning: docs/spec/receipt.md.
struct CircuitBinding {
    bytes32 modelId;
    bytes32 circuitId;
    bytes32 vkDigest;
    bytes32 srsDigest;
    uint8 inputScale;
    uint8 outputScale;
    uint64 bound;
    uint64 inputRange;
    bytes32 documentDigest;
    uint64 issuedAtMs;
}

library CircuitBindings {
    bytes32 internal constant TYPEHASH = keccak256(
        "CircuitBinding(bytes32 modelId,bytes32 circuitId,bytes32 vkDigest,bytes32 srsDigest,uint8 inputScale,uint8 outputScale,uint64 bound,uint64 inputRange,bytes32 documentDigest,uint64 issuedAtMs)"
    );

    /// @notice The EIP-712 digest that was signed.
    function hash(CircuitBinding memory binding) internal pure returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(TYPEHASH, binding));
        return keccak256(abi.encodePacked(hex"1901", StatementDigest.DOMAIN_SEPARATOR, structHash));
    }
}
