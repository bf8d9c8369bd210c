// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Single use of answers
/// @notice A consumer that acts on a receipt once keeps one of these and consumes each `requestId` before it acts: there is
/// one statement a request id, and a receipt stays valid after it was shown.
library RequestIds {
    /// @notice This consumer has acted on that request before.
    error RequestConsumed(bytes32 requestId);

    struct Consumed {
        mapping(bytes32 requestId => bool) ids;
    }

    function consume(Consumed storage consumed, bytes32 requestId) internal {
        if (consumed.ids[requestId]) revert RequestConsumed(requestId);
        consumed.ids[requestId] = true;
    }

    function isConsumed(Consumed storage consumed, bytes32 requestId) internal view returns (bool) {
        return consumed.ids[requestId];
    }
}
