// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice Heads of logs, each consistent with the one before it.
interface ICheckpointAnchor {
    /// @notice No head of that size was anchored.
    error CheckpointUnknown(bytes32 logId, uint64 size);

    /// @notice Reverts unless `leafHash` is at `index` of the anchored tree of `size` leaves.
    /// @return anchoredAtSeconds the timestamp of the block that anchored that head
    function requireIncluded(
        bytes32 logId,
        uint64 size,
        bytes32 leafHash,
        uint64 index,
        bytes32[] calldata proof
    ) external view returns (uint64 anchoredAtSeconds);
}
