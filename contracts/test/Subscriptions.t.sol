// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Escrow} from "../src/coordinator/Escrow.sol";
import {Subscriptions} from "../src/coordinator/Subscriptions.sol";
import {Terms} from "../src/interfaces/IInferenceCoordinator.sol";
import {InferenceStatement} from "../src/receipts/Statements.sol";
import {CoordinatorFixture} from "./support/CoordinatorFixture.sol";

contract SubscriptionsTest is CoordinatorFixture {
    function test_aRequestAPeriod() public {
        uint256 id = subscribe(3);
        bytes32 first = coordinator.openNext(id);
        uint256 due = START_SECONDS + 1 days;
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.NotDue.selector, due));
        coordinator.openNext(id);
        answer(first);
        assertEq(coordinator.credits(address(0), OPERATOR), PAYMENT, "paid once");
        vm.warp(due);
        bytes32 second = coordinator.openNext(id);
        assertTrue(second != first, "another request");
        vm.warp(due + 1 hours + 1);
        coordinator.refund(second);
        assertEq(coordinator.credits(address(0), address(this)), PAYMENT, "back");
        vm.warp(due + 1 days);
        coordinator.openNext(id);
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.SubscriptionUnknown.selector, id));
        coordinator.openNext(id);
        assertEq(address(coordinator).balance, 3 * PAYMENT, "all of it is still here");
    }

    function test_theRestComesBack() public {
        uint256 id = subscribe(5);
        coordinator.openNext(id);
        vm.prank(address(0xE0));
        vm.expectRevert(Subscriptions.NotOwner.selector);
        coordinator.unsubscribe(id);
        coordinator.unsubscribe(id);
        assertEq(coordinator.credits(address(0), address(this)), 4 * PAYMENT, "what was not opened");
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.SubscriptionUnknown.selector, id));
        coordinator.unsubscribe(id);
    }

    function test_schedulesAreChecked() public {
        Terms memory terms = subscriptionTerms();
        Subscriptions.Schedule memory schedule = scheduleOf(0);
        vm.expectRevert(Subscriptions.ScheduleInvalid.selector);
        coordinator.subscribe(terms, committed(), schedule);
        schedule = scheduleOf(2);
        schedule.periodSeconds = 0;
        vm.expectRevert(Subscriptions.ScheduleInvalid.selector);
        coordinator.subscribe{value: 2 * PAYMENT}(terms, committed(), schedule);
        schedule = scheduleOf(2);
        vm.expectRevert(abi.encodeWithSelector(Escrow.ValueMismatch.selector, 2 * PAYMENT, PAYMENT));
        coordinator.subscribe{value: PAYMENT}(terms, committed(), schedule);
    }

    function subscribe(uint32 count) private returns (uint256) {
        return coordinator.subscribe{value: uint256(count) * PAYMENT}(
            subscriptionTerms(), committed(), scheduleOf(count)
        );
    }

    function subscriptionTerms() private view returns (Terms memory terms) {
        terms = termsOf();
        terms.deadlineSeconds = 0;
        terms.callbackGas = 0;
    }

    function scheduleOf(uint32 count) private view returns (Subscriptions.Schedule memory) {
        return Subscriptions.Schedule(uint40(block.timestamp), 1 days, 1 hours, count);
    }

    function answer(bytes32 requestId) private {
        InferenceStatement memory statement = answerOf(requestId);
        statement.audience = keccak256(abi.encode(block.chainid, address(this)));
        coordinator.deliver(receiptOf(statement), "");
    }
}
