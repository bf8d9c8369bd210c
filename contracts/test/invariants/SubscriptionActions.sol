// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Subscriptions} from "../../src/coordinator/Subscriptions.sol";
import {Terms} from "../../src/interfaces/IInferenceCoordinator.sol";
import {PanelActions} from "./PanelActions.sol";

/// @notice Subscriptions: opened in time, too early, to their end, and ended before.
abstract contract SubscriptionActions is PanelActions {
    struct SubscriptionGhost {
        Terms terms;
        Subscriptions.Schedule schedule;
        uint8 operator;
        uint256 opened;
        bool ended;
    }

    SubscriptionGhost[] private subscriptions;

    function subscribe(uint256 seed) external {
        begin(seed);
        SubscriptionGhost storage ghost = subscriptions.push();
        (Terms memory terms, uint8 operator) = drawTerms();
        terms.deadlineSeconds = 0;
        Subscriptions.Schedule memory schedule = Subscriptions.Schedule({
            firstSeconds: uint40(block.timestamp + draw(5 minutes)),
            periodSeconds: uint40(1 + draw(10 minutes)),
            windowSeconds: uint40(1 + draw(20 minutes)),
            count: uint32(1 + draw(5))
        });
        (ghost.terms, ghost.schedule, ghost.operator) = (terms, schedule, operator);
        uint256 value = fund(terms.token, terms.payment * schedule.count);
        bytes memory data = abi.encodeCall(coordinator.subscribe, (terms, committed(), schedule));
        uint256 id = abi.decode(act(address(consumer), value, data, true), (uint256));
        assertEq(id, subscriptions.length, "counted from 1");
    }

    function openNext(uint256 seed) external {
        begin(seed);
        if (subscriptions.length == 0) return;
        uint256 index = draw(subscriptions.length);
        SubscriptionGhost storage ghost = subscriptions[index];
        uint256 due = ghost.schedule.firstSeconds + ghost.opened * ghost.schedule.periodSeconds;
        bool expected = !ghost.ended && block.timestamp >= due;
        bytes memory data = abi.encodeCall(coordinator.openNext, (index + 1));
        bytes memory result = act(anyone(), 0, data, expected);
        if (!expected) return;
        Terms memory terms = ghost.terms;
        terms.deadlineSeconds = uint40(block.timestamp) + ghost.schedule.windowSeconds;
        enter(abi.decode(result, (bytes32)), terms, ghost.operator);
        ghost.opened += 1;
        ghost.ended = ghost.opened == ghost.schedule.count;
    }

    /// @dev Seldom by its owner, so that some come to their end.
    function unsubscribe(uint256 seed) external {
        begin(seed);
        if (subscriptions.length == 0) return;
        bool owner = oneIn(4);
        end(draw(subscriptions.length), owner ? address(consumer) : anyone(), owner);
    }

    function end(uint256 index, address sender, bool owner) private {
        SubscriptionGhost storage ghost = subscriptions[index];
        bool expected = !ghost.ended && owner;
        uint256 credit = coordinator.credits(ghost.terms.token, address(consumer));
        act(sender, 0, abi.encodeCall(coordinator.unsubscribe, (index + 1)), expected);
        if (!expected) return;
        uint256 left = (ghost.schedule.count - ghost.opened) * ghost.terms.payment;
        uint256 back = coordinator.credits(ghost.terms.token, address(consumer)) - credit;
        assertEq(back, left, "what was not opened");
        bound[ghost.terms.token] -= left;
        ghost.ended = true;
    }

    function endAll() internal {
        for (uint256 i = 0; i < subscriptions.length; ++i) {
            if (!subscriptions[i].ended) end(i, address(consumer), true);
        }
    }
}
