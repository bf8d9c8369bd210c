// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "../support/Fixture.sol";
import {AnchorHandler} from "./AnchorHandler.sol";

contract AnchorInvariants is Fixture {
    AnchorHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new AnchorHandler(anchor, keysetDigest, registry.logOf(keysetDigest));
        targetHandler(address(handler));
    }

    /// @notice A log's head only grows, each head that was ever anchored stays what it was, and all belong to one history. After each
    /// call the newest head is compared; a change of an older one, which no later anchor undoes, shows at the end.
    function invariant_oneHistoryThatOnlyGrows() public view {
        (uint64 size,) = anchor.heads(handler.logId());
        assertEq(size, handler.largest(), "the head is the largest that was anchored");
        if (handler.count() != 0) compare(handler.count() - 1);
    }

    function afterInvariant() public view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            compare(i);
        }
        requireShares(handler.calls(), handler.grown(), handler.refused());
    }

    function compare(uint256 index) private view {
        (uint64 size, bytes32 root) = handler.headAt(index);
        assertEq(anchor.roots(handler.logId(), size), root, "anchored heads stay");
        assertEq(root, handler.rootOf(handler.history(), size), "of the first history");
    }
}
