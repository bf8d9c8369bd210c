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
    function recover(bytes32 digest, Signature calldata signature) internal pure returns (address signer) {
        if (uint256(signature.s) > HALF_ORDER) revert SignatureHighS();
        signer = ecrecover(digest, signature.v, signature.r, signature.s);
        if (signer == address(0)) revert SignatureInvalid();
    }
}
