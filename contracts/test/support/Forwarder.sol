// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice Calls another contract, so that the call has a frame of its own in a transaction's trace: the floor of EIP-7623 hides
/// what a transaction's own frame took.
contract Forwarder {
    function forward(address target, bytes calldata data) external {
        (bool ok, bytes memory result) = target.call(data);
        if (!ok) {
            assembly {
                revert(add(result, 0x20), mload(result))
            }
        }
    }
}
