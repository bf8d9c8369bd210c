// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {CoordinatorFixture} from "../support/CoordinatorFixture.sol";
import {CoordinatorHandler} from "./CoordinatorHandler.sol";

contract CoordinatorInvariants is CoordinatorFixture {
    CoordinatorHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new CoordinatorHandler(coordinator, consumer, keysetDigest);
        targetContract(address(handler));
    }

    /// @notice All that came in is there, owed to somebody, or was fetched.
    function invariant_escrowConserved() public view {
        assertEq(address(coordinator).balance, handler.deposited() - handler.withdrawn(), "balance");
        assertEq(address(coordinator).balance, handler.owed(), "owed");
    }

    /// @notice Delivered means that a genuine receipt was shown; each request is settled at most once.
    function invariant_deliveredOnceAndVerified() public view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            bytes32 id = handler.idAt(i);
            if (statusOf(id) == 2) assertTrue(handler.genuine(id), "verified");
            assertEq(handler.settled(id), statusOf(id) == 1 ? 0 : 1, "settled once");
        }
    }

    /// @notice Whatever happened, an open request's payment comes back after its deadline.
    function invariant_refundAlwaysReachable() public {
        vm.warp(block.timestamp + 31 days);
        for (uint256 i = 0; i < handler.count(); ++i) {
            bytes32 id = handler.idAt(i);
            if (statusOf(id) != 1) continue;
            uint256 before = coordinator.credits(address(0), address(consumer));
            coordinator.refund(id);
            assertEq(
                coordinator.credits(address(0), address(consumer)) - before, handler.price(id), "refunded"
            );
        }
    }
}
