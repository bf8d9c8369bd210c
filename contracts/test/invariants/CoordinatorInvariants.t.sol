// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RequestBook} from "../../src/coordinator/RequestBook.sol";
import {Token} from "../support/Consumers.sol";
import {CoordinatorFixture} from "../support/CoordinatorFixture.sol";
import {CoordinatorHandler} from "./CoordinatorHandler.sol";
import {Ghosts} from "./Ghosts.sol";

contract CoordinatorInvariants is CoordinatorFixture {
    CoordinatorHandler private handler;

    function setUp() public override {
        super.setUp();
        bytes32[3] memory keysets;
        for (uint256 i = 0; i < 3; ++i) {
            keysets[i] = registry.register(registrationOf(keysetText(vm.addr(i + 1), NOT_AFTER_SECONDS)));
        }
        handler = new CoordinatorHandler(coordinator, consumer, registry, keysets);
        registry.transferOwnership(address(handler));
        targetHandler(address(handler));
        exclude(address(handler), handler.settleAll.selector);
    }

    /// @notice All that came in is there, bound or owed to somebody, or was fetched; delivered means that a genuine receipt was shown;
    /// each request is settled at most once; an open request's payment comes back after its deadline. After each call the
    /// request that it was about is compared, at the end all are, and all of the money is fetched.
    function invariant_escrowConservedDeliveredVerifiedPaidOnceRefundable() public {
        compareMoney();
        bytes32 requestId = handler.touched();
        if (requestId == 0) return;
        compare(requestId);
        if (statusOf(requestId) == 1) requireRefundable(requestId);
    }

    function afterInvariant() public {
        for (uint256 i = 0; i < handler.count(); ++i) {
            compare(handler.ids(i));
        }
        requireShares(handler.calls(), handler.done(), handler.refused());
        handler.settleAll();
        compareMoney();
        assertEq(address(coordinator).balance, 0, "nothing is left");
        for (uint256 i = 0; i < handler.count(); ++i) {
            compare(handler.ids(i));
        }
    }

    /// @notice What a long run comes to: answers, panels that agreed, refunds. One run alone may miss one of them.
    function test_longRunsReachEveryEnd() public {
        bytes4[13] memory actions = [
            handler.request.selector,
            handler.deliver.selector,
            handler.deliverForged.selector,
            handler.refund.selector,
            handler.stake.selector,
            handler.requestPanel.selector,
            handler.vote.selector,
            handler.release.selector,
            handler.conclude.selector,
            handler.subscribe.selector,
            handler.openNext.selector,
            handler.withdraw.selector,
            handler.pass.selector
        ];
        for (uint256 i = 0; i < 1000; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            (bool ok, bytes memory reason) =
                address(handler).call(abi.encodeWithSelector(actions[seed % 13], seed, seed));
            assertTrue(ok, string(reason));
        }
        assertTrue(handler.delivered() >= 10 && handler.concluded() >= 2, "answered");
        assertTrue(handler.refunded() >= 10 && handler.opened() >= 50, "asked and given back");
        afterInvariant();
    }

    function compareMoney() private view {
        for (uint256 i = 0; i < 2; ++i) {
            address asset = handler.assets()[i];
            uint256 balance =
                i == 0 ? address(coordinator).balance : Token(asset).balanceOf(address(coordinator));
            assertEq(balance, handler.deposited(asset) - handler.withdrawn(asset), "balance");
            assertEq(balance, handler.owed(asset) + handler.bound(asset), "owed");
        }
    }

    function compare(bytes32 requestId) private view {
        Ghosts.Ghost memory ghost = handler.ghostOf(requestId);
        assertEq(statusOf(requestId), uint256(ghost.status), "status");
        if (ghost.status == RequestBook.Status.Delivered) assertTrue(ghost.verified, "verified");
        assertEq(ghost.settlements, ghost.status == RequestBook.Status.Open ? 0 : 1, "settled once");
    }

    /// @dev What an invariant does is undone after it.
    function requireRefundable(bytes32 requestId) private {
        Ghosts.Ghost memory ghost = handler.ghostOf(requestId);
        uint256 credit = coordinator.credits(ghost.token, address(consumer));
        vm.warp(ghost.deadlineSeconds + 1);
        coordinator.refund(requestId);
        assertEq(coordinator.credits(ghost.token, address(consumer)) - credit, ghost.payment, "refunded");
    }
}
