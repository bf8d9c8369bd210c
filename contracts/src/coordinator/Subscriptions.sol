// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Input, Terms} from "../interfaces/IInferenceCoordinator.sol";
import {RequestBook} from "./RequestBook.sol";

/// @title The same request, again and again
/// @notice A subscription holds a budget and opens one request a period from it. What is not opened goes back to its owner.
abstract contract Subscriptions is RequestBook {
    /// @param firstSeconds Unix time of the first request
    /// @param periodSeconds from one to the next
    /// @param windowSeconds how long each is open
    /// @param count how many
    struct Schedule {
        uint40 firstSeconds;
        uint40 periodSeconds;
        uint40 windowSeconds;
        uint32 count;
    }

    struct Subscription {
        address owner;
        uint32 opened;
        Schedule schedule;
        Terms terms;
        bytes32 inputCommitment;
    }

    error ScheduleInvalid();
    error SubscriptionUnknown(uint256 subscriptionId);
    error NotDue(uint256 dueSeconds);
    error NotOwner();

    /// @param publicInput the input of every request; only this event has it
    event Subscribed(
        uint256 indexed subscriptionId,
        address indexed owner,
        Schedule schedule,
        Terms terms,
        bytes publicInput
    );
    event SubscriptionOpened(uint256 indexed subscriptionId, bytes32 indexed requestId);
    event SubscriptionEnded(uint256 indexed subscriptionId, uint256 returned);

    uint256 public subscriptionCount;
    mapping(uint256 subscriptionId => Subscription) private subscriptions;

    /// @notice Pays for `schedule.count` requests. `terms.deadlineSeconds` is 0: each request's window sets it.
    function subscribe(Terms calldata terms, Input calldata input, Schedule calldata schedule)
        external
        payable
        returns (uint256 subscriptionId)
    {
        if (
            terms.deadlineSeconds != 0 || schedule.count == 0 || schedule.periodSeconds == 0
                || schedule.windowSeconds == 0 || schedule.firstSeconds < block.timestamp
        ) revert ScheduleInvalid();
        if (terms.operator == address(0)) revert OperatorMissing();
        Terms memory first = terms;
        first.deadlineSeconds = uint40(block.timestamp) + schedule.windowSeconds;
        checkTerms(first);
        takePayment(terms.token, uint256(terms.payment) * schedule.count);
        subscriptionId = ++subscriptionCount;
        subscriptions[subscriptionId] = Subscription(msg.sender, 0, schedule, terms, commitmentOf(input));
        emit Subscribed(subscriptionId, msg.sender, schedule, terms, input.publicInput);
    }

    /// @notice Opens the next request of a subscription, once it is due. Anyone may; the operator will.
    function openNext(uint256 subscriptionId) external returns (bytes32 requestId) {
        Subscription storage subscription = known(subscriptionId);
        Schedule memory schedule = subscription.schedule;
        uint256 due = schedule.firstSeconds + uint256(subscription.opened) * schedule.periodSeconds;
        if (block.timestamp < due) revert NotDue(due);
        Terms memory terms = subscription.terms;
        terms.deadlineSeconds = uint40(block.timestamp) + schedule.windowSeconds;
        subscription.opened += 1;
        requestId = open(subscription.owner, terms, subscription.inputCommitment, "");
        emit SubscriptionOpened(subscriptionId, requestId);
        if (subscription.opened == schedule.count) end(subscriptionId, 0);
    }

    /// @notice Ends a subscription; what is left of its budget is the owner's to withdraw.
    function unsubscribe(uint256 subscriptionId) external {
        Subscription storage subscription = known(subscriptionId);
        if (subscription.owner != msg.sender) revert NotOwner();
        uint256 left = uint256(subscription.schedule.count - subscription.opened) * subscription.terms.payment;
        address token = subscription.terms.token;
        end(subscriptionId, left);
        credit_(token, msg.sender, left);
    }

    function subscriptionOf(uint256 subscriptionId) external view returns (Subscription memory) {
        return subscriptions[subscriptionId];
    }

    function known(uint256 subscriptionId) private view returns (Subscription storage subscription) {
        subscription = subscriptions[subscriptionId];
        if (subscription.owner == address(0)) revert SubscriptionUnknown(subscriptionId);
    }

    function end(uint256 subscriptionId, uint256 left) private {
        delete subscriptions[subscriptionId];
        emit SubscriptionEnded(subscriptionId, left);
    }
}
