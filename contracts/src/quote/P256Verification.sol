// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

/// @title ECDSA on P-256 over a SHA-256 digest
/// @notice By the precompile at 0x100 (EIP-7951, RIP-7212: 6,900 and 3,450 gas) where the chain had it at deployment,
/// otherwise by OpenZeppelin's Solidity implementation (some 200,000 gas).
abstract contract P256Verification {
    /// @notice Whether this contract uses the precompile. It never asks again: a chain does not lose one.
    bool public immutable HAS_P256_PRECOMPILE;

    constructor() {
        // The first signature that EIP-7951 lists, and the same with one bit of r turned: what answers 1 to everything
        // is not the precompile.
        bytes32 digest = 0xbb5a52f42f9c9261ed4361f59422a1e30036e7c32b270c8807a419feca605023;
        uint256 r = 0x2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e18;
        uint256 s = 0x4cd60b855d442f5b3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76;
        uint256 x = 0x2927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838;
        uint256 y = 0xc7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e;
        HAS_P256_PRECOMPILE = verifyNative(digest, r, s, x, y) && !verifyNative(digest, r ^ 1, s, x, y);
    }

    /// @notice Whether (r, s) is the signature of (x, y); high and low s are both accepted, as Intel's signers make both.
    function verifyP256(bytes32 digest, uint256 r, uint256 s, uint256 x, uint256 y)
        internal
        view
        returns (bool)
    {
        if (HAS_P256_PRECOMPILE) return verifyNative(digest, r, s, x, y);
        // The library wants the lower of s and n - s; both verify alike.
        if (s > P256.N / 2 && s < P256.N) s = P256.N - s;
        return P256.verifySolidity(digest, bytes32(r), bytes32(s), bytes32(x), bytes32(y));
    }

    function verifyNative(bytes32 digest, uint256 r, uint256 s, uint256 x, uint256 y)
        private
        view
        returns (bool valid)
    {
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, digest)
            mstore(add(input, 0x20), r)
            mstore(add(input, 0x40), s)
            mstore(add(input, 0x60), x)
            mstore(add(input, 0x80), y)
            mstore(0x00, 0)
            // It answers nothing to a signature that does not hold, and so does an address without code.
            let ok := staticcall(gas(), 0x100, input, 0xa0, 0x00, 0x20)
            valid := and(and(ok, eq(returndatasize(), 0x20)), eq(mload(0x00), 1))
        }
    }
}
