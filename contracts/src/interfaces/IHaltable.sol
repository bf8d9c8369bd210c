// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice What its owner can stop at once.
interface IHaltable {
    /// @notice Whether every registration and verification is stopped.
    function halted() external view returns (bool);
}
