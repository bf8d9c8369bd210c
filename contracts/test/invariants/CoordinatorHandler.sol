// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Input, Terms} from "../../src/interfaces/IInferenceCoordinator.sol";
import {Receipt} from "../../src/interfaces/IReceiptVerifier.sol";
import {InferenceCoordinator} from "../../src/InferenceCoordinator.sol";
import {InferenceStatement} from "../../src/receipts/Statements.sol";
import {Consumer} from "../support/Consumers.sol";
import {CoordinatorFixture} from "../support/CoordinatorFixture.sol";

/// @notice Consumers, operators and thieves, and what each transaction ought to have moved.
contract CoordinatorHandler is CoordinatorFixture {
    uint256 private constant MAX_REQUESTS = 24;
    address[3] private operators = [address(0x901), address(0x902), address(0x903)];
    bytes32[] private ids;
    mapping(bytes32 => uint256) public price;
    mapping(bytes32 => address) private payee;
    /// @notice How often a request was paid or refunded.
    mapping(bytes32 => uint256) public settled;
    mapping(bytes32 => bool) public genuine;
    uint256 public deposited;
    uint256 public withdrawn;

    constructor(InferenceCoordinator coordinator_, Consumer consumer_, bytes32 keysetDigest_) {
        (coordinator, consumer, keysetDigest) = (coordinator_, consumer_, keysetDigest_);
    }

    function setUp() public override {}

    function count() external view returns (uint256) {
        return ids.length;
    }

    function idAt(uint256 index) external view returns (bytes32) {
        return ids[index];
    }

    /// @notice What the coordinator owes to everybody.
    function owed() external view returns (uint256 sum) {
        sum = coordinator.credits(address(0), address(consumer)) + coordinator.stakes(operators[0]);
        for (uint256 i = 0; i < 3; ++i) {
            sum += coordinator.credits(address(0), operators[i]);
        }
        for (uint256 i = 0; i < ids.length; ++i) {
            if (statusOf(ids[i]) == 1) sum += price[ids[i]];
        }
    }

    function request(uint96 payment, uint8 operator, uint16 seconds_, uint8 mood) external {
        if (ids.length == MAX_REQUESTS) revert Untrue("enough");
        Terms memory terms = termsOf();
        terms.payment = payment % 5 ether;
        terms.operator = operators[operator % 3];
        terms.deadlineSeconds = uint40(block.timestamp + 1 + seconds_);
        terms.callbackGas = mood % 6 == 5 ? 0 : 100_000;
        consumer.setMood(Consumer.Mood(mood % 5));
        vm.deal(address(this), terms.payment);
        bytes32 id = consumer.ask{value: terms.payment}(terms, Input("", COMMITMENT));
        (price[id], payee[id]) = (terms.payment, terms.operator);
        deposited += terms.payment;
        ids.push(id);
    }

    function deliverGenuine(uint256 index) external {
        bytes32 id = ids[index % ids.length];
        uint256 before = coordinator.credits(address(0), payee[id]);
        coordinator.deliver(receiptOf(answerBy(payee[id], id)), "");
        genuine[id] = true;
        settled[id] += 1;
        assertEq(coordinator.credits(address(0), payee[id]) - before, price[id], "its operator, its price");
    }

    /// @dev A word, the signature or the output changed.
    function deliverForged(uint256 index, uint8 place, uint256 change) external {
        bytes32 id = ids[index % ids.length];
        Receipt memory receipt = receiptOf(answerBy(payee[id], id));
        InferenceStatement memory statement = receipt.statement;
        place = place % 19;
        if (change == 0) change = 1;
        if (place == 17) receipt.encodedOutput = abi.encode(change);
        if (place == 18) receipt.signature.r ^= bytes32(change);
        uint256 mask = place < 13 ? type(uint256).max : place == 13 ? 0xff : type(uint64).max;
        if (change & mask == 0) change = 1;
        if (place < 17) {
            assembly ("memory-safe") {
                let word := add(statement, mul(place, 0x20))
                mstore(word, xor(mload(word), and(change, mask)))
            }
        }
        coordinator.deliver(receipt, "");
    }

    function refund(uint256 index) external {
        bytes32 id = ids[index % ids.length];
        coordinator.refund(id);
        settled[id] += 1;
    }

    function withdraw(uint8 who, uint96 amount) external {
        address account = operators[who % 3];
        vm.prank(account);
        coordinator.withdraw(address(0), account, amount % 6 ether);
        withdrawn += amount % 6 ether;
    }

    function stake(uint96 amount) external {
        vm.deal(operators[0], amount);
        vm.prank(operators[0]);
        coordinator.stake{value: amount}();
        deposited += amount;
    }

    function unstake(uint96 amount) external {
        vm.prank(operators[0]);
        coordinator.unstake(amount);
    }

    function pass(uint16 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 2 hours);
    }
}
