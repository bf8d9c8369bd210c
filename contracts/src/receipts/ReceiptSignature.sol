// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Signature} from "./Statements.sol";

/// @title Who signed a digest
/// @notice Accepts one form of each signature: v 27 or 28, s at most half the group order (EIP-2, docs/spec/receipt.md).
library ReceiptSignature {
    /// @notice v is neither 27 nor 28, or no public key fits.
    error SignatureInvalid();
    /// @notice s is in the upper half of the group order.
    error SignatureHighS();

    /// @dev Half the order of secp256k1, rounded down (SEC 2, section 2.4.1).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @return signer the address whose key signed: compare it, a well-formed signature always recovers to some address
    function recover(bytes32 digest, Signature calldata signature) internal view returns (address signer) {
        bool high;
        // Precompile 0x01 over digest ‖ v ‖ r ‖ s. It answers nothing where no key fits or v is another: then 0 is left.
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            mstore(scratch, digest)
            mstore(add(scratch, 0x20), calldataload(add(signature, 0x40)))
            calldatacopy(add(scratch, 0x40), signature, 0x40)
            high := gt(mload(add(scratch, 0x60)), HALF_ORDER)
            mstore(0, 0)
            pop(staticcall(gas(), 1, scratch, 0x80, 0, 0x20))
            signer := mload(0)
        }
        if (high) revert SignatureHighS();
        if (signer == address(0)) revert SignatureInvalid();
    }
}
