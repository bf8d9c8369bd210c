// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RequestBook} from "../../src/coordinator/RequestBook.sol";
import {EnclaveRegistry} from "../../src/EnclaveRegistry.sol";
import {InferenceCoordinator} from "../../src/InferenceCoordinator.sol";
import {Consumer} from "../support/Consumers.sol";
import {Ghosts} from "./Ghosts.sol";
import {SubscriptionActions} from "./SubscriptionActions.sol";

/// @notice Consumers, operators and thieves; time, money and the registry's owner.
contract CoordinatorHandler is SubscriptionActions {
    constructor(
        InferenceCoordinator coordinator_,
        Consumer consumer_,
        EnclaveRegistry registry_,
        bytes32[OPERATORS] memory keysets_
    ) Ghosts(coordinator_, consumer_, registry_, keysets_) {}

    /// @notice A share of what is owed, or more than that.
    function withdraw(uint256 seed) external {
        begin(seed);
        address account = oneIn(4) ? address(consumer) : anyone();
        address asset = assets()[draw(2)];
        uint256 credit = coordinator.credits(asset, account);
        bool expected = !oneIn(6);
        fetch(account, asset, expected ? draw(credit + 1) : credit + 1 + draw(1 ether), expected);
    }

    /// @dev A halt is over when time next passes, mostly.
    function pass(uint256 seed) external {
        begin(seed);
        registry.setHalted(oneIn(8));
        vm.warp(block.timestamp + draw(oneIn(2) ? 2 minutes : 8 minutes));
    }

    /// @notice Whatever happened, and halted or not: all that is open is refunded, all bonds end, all budgets come back, and when
    /// everyone has fetched what is owed to them nothing is left.
    function settleAll() external {
        vm.warp(block.timestamp + 31 days);
        for (uint256 i = 0; i < ids.length; ++i) {
            Ghost storage ghost = ghosts[ids[i]];
            for (uint256 j = 0; j < OPERATORS; ++j) {
                if (bondsOf(ids[i], j)) forfeit(ids[i], j);
            }
            if (ghost.status != RequestBook.Status.Open) continue;
            act(operators[0], 0, abi.encodeCall(coordinator.refund, (ids[i])), true);
            settle(ids[i], RequestBook.Status.Refunded);
        }
        endAll();
        for (uint256 i = 0; i < OPERATORS; ++i) {
            uint256 free = coordinator.stakes(operators[i]);
            act(operators[i], 0, abi.encodeCall(coordinator.unstake, (free)), true);
        }
        for (uint256 i = 0; i < 2; ++i) {
            address asset = assets()[i];
            fetch(address(consumer), asset, coordinator.credits(asset, address(consumer)), true);
            for (uint256 j = 0; j < OPERATORS; ++j) {
                fetch(operators[j], asset, creditOf(asset, j), true);
            }
        }
    }

    function fetch(address account, address asset, uint256 amount, bool expected) private {
        bytes memory data = abi.encodeCall(coordinator.withdraw, (asset, address(0xFEE), amount));
        act(account, 0, data, expected);
        if (expected) withdrawn[asset] += amount;
    }
}
