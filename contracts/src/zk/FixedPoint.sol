// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Outputs of a receipt beside outputs of a circuit
library FixedPoint {
    /// @dev The scalar field of BN254, in which instances live; what is above its half is negative.
    uint256 internal constant MODULUS = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    int256 private constant LARGEST = 2 ** 127;
    /// @dev The bound is in units of 10^-9.
    int256 private constant BOUND_UNITS = 1e9;

    /// @notice Whether value / 10^`decimals` and instance / 2^`scale` are at most `bound` 10^-9 apart. The value was rounded to
    /// its decimals, so that half a unit of the last one is allowed besides.
    /// @param decimals at most 18
    /// @param scale at most 30
    function isWithin(int256 value, uint256 instance, uint8 decimals, uint8 scale, uint64 bound)
        internal
        pure
        returns (bool)
    {
        if (instance >= MODULUS) return false;
        int256 proved = instance > MODULUS / 2 ? -int256(MODULUS - instance) : int256(instance);
        if (value > LARGEST || value < -LARGEST || proved > LARGEST || proved < -LARGEST) return false;
        // Below 2^127 · 2^60 · 2^32 each: nothing overflows.
        unchecked {
            int256 ten = int256(10 ** uint256(decimals));
            int256 two = int256(2 ** uint256(scale));
            int256 apart = value * two - proved * ten;
            if (apart < 0) apart = -apart;
            return 2 * BOUND_UNITS * apart <= 2 * int256(uint256(bound)) * ten * two + BOUND_UNITS * two;
        }
    }

    /// @notice abi.encode(int256[]), its one encoding. Reverts where it is another.
    function decode(bytes calldata encoded) internal pure returns (int256[] memory values) {
        values = abi.decode(encoded, (int256[]));
        require(keccak256(abi.encode(values)) == keccak256(encoded));
    }
}
