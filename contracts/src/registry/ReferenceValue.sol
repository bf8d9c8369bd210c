// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Technology, VerifiedQuote} from "../interfaces/IQuoteVerifier.sol";

/// @title Which code
/// @notice A reference value names chosen registers of one technology and what they hold. Its id is
/// keccak256(abi.encode(technology, mask, chosen registers in order)); bit i of the mask chooses register i (48 bytes each,
/// see `VerifiedQuote`). Registers that differ from one start to the next (RTMR3 of a guest that logs its instance) are left
/// out of the mask.
library ReferenceValue {
    /// @notice The mask chooses no register, leaves out the first (TDX: MRTD), or chooses one that the quote has not.
    error MaskInvalid();

    uint256 private constant REGISTER_BYTES = 48;

    function id(VerifiedQuote memory quote, uint256 mask) internal pure returns (bytes32) {
        return id(quote.technology, quote.registers, mask);
    }

    function id(Technology technology, bytes memory registers, uint256 mask) internal pure returns (bytes32) {
        uint256 count = registers.length / REGISTER_BYTES;
        if (mask & 1 == 0 || mask >> count != 0) revert MaskInvalid();
        bytes memory chosen = new bytes(0);
        for (uint256 i = 0; i < count; ++i) {
            if ((mask >> i) & 1 == 1) chosen = bytes.concat(chosen, register(registers, i));
        }
        return keccak256(abi.encode(technology, mask, chosen));
    }

    function register(bytes memory registers, uint256 index) private pure returns (bytes memory value) {
        value = new bytes(REGISTER_BYTES);
        assembly ("memory-safe") {
            let source := add(add(registers, 0x20), mul(index, 48))
            mcopy(add(value, 0x20), source, 48)
        }
    }
}
