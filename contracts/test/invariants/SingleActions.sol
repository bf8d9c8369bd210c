// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RequestBook} from "../../src/coordinator/RequestBook.sol";
import {Input, Terms} from "../../src/interfaces/IInferenceCoordinator.sol";
import {Receipt} from "../../src/interfaces/IReceiptVerifier.sol";
import {InferenceStatement} from "../../src/receipts/Statements.sol";
import {Consumer} from "../support/Consumers.sol";
import {Ghosts} from "./Ghosts.sol";

/// @notice Requests to one operator: answered, answered wrongly, answered by another, given back.
abstract contract SingleActions is Ghosts {
    function request(uint256 seed) external {
        begin(seed);
        if (openSingles.length >= 8) return;
        (Terms memory terms, uint8 operator) = drawTerms();
        terms.deadlineSeconds = uint40(block.timestamp + 1 + draw(20 minutes));
        uint256 value = fund(terms.token, terms.payment);
        bytes memory data = abi.encodeCall(coordinator.request, (terms, committed()));
        bytes32 requestId = abi.decode(act(address(consumer), value, data, true), (bytes32));
        enter(requestId, terms, operator);
    }

    function deliver(uint256 seed) external {
        begin(seed);
        bytes32 requestId = pick(openSingles);
        if (requestId == 0) return;
        Ghost storage ghost = ghosts[requestId];
        bool expected = isOpen(ghost) && !ghost.panel && !registry.halted();
        uint256 credit = creditOf(ghost.token, ghost.operator);
        Receipt memory made = genuine(requestId);
        act(anyone(), 0, abi.encodeCall(coordinator.deliver, (made, "")), expected);
        if (!expected) return;
        assertEq(creditOf(ghost.token, ghost.operator) - credit, ghost.payment, "its operator, its price");
        ghost.verified = true;
        ++delivered;
        settle(requestId, RequestBook.Status.Delivered);
    }

    /// @notice A word, the signature or the output changed; or another operator's answer, well signed.
    function deliverForged(uint256 seed, uint256 change) external {
        begin(seed);
        bytes32 requestId = pick(openSingles);
        if (requestId == 0) return;
        Receipt memory made = genuine(requestId);
        InferenceStatement memory statement = made.statement;
        uint256 place = draw(20);
        if (change == 0) change = 1;
        if (place == 17) made.encodedOutput = abi.encode(change);
        if (place == 18) made.signature.r ^= bytes32(change);
        if (place == 19) {
            uint256 other = (ghosts[requestId].operator + 1 + draw(2)) % 3;
            made = receipt(answer(requestId, other, OUTPUT, block.timestamp), other, OUTPUT);
        }
        uint256 mask = place < 13 ? type(uint256).max : place == 13 ? 0xff : type(uint64).max;
        if (change & mask == 0) change = 1;
        if (place < 17) {
            assembly ("memory-safe") {
                let word := add(statement, mul(place, 0x20))
                mstore(word, xor(mload(word), and(change, mask)))
            }
        }
        act(anyone(), 0, abi.encodeCall(coordinator.deliver, (made, "")), false);
    }

    /// @notice After the deadline, halted or not.
    function refund(uint256 seed) external {
        begin(seed);
        bytes32 requestId = pick(oneIn(2) ? openSingles : openPanels);
        if (requestId == 0) return;
        Ghost storage ghost = ghosts[requestId];
        bool expected = ghost.status == RequestBook.Status.Open && block.timestamp > ghost.deadlineSeconds;
        uint256 credit = coordinator.credits(ghost.token, address(consumer));
        act(anyone(), 0, abi.encodeCall(coordinator.refund, (requestId)), expected);
        if (!expected) return;
        uint256 back = coordinator.credits(ghost.token, address(consumer)) - credit;
        assertEq(back, ghost.payment, "the requester's payment");
        ++refunded;
        settle(requestId, RequestBook.Status.Refunded);
    }

    /// @dev With a callback or without, to a consumer in some mood.
    function drawTerms() internal returns (Terms memory terms, uint8 operator) {
        terms = termsOf();
        operator = uint8(draw(OPERATORS));
        terms.operator = operators[operator];
        terms.payment = uint96(draw(5 ether));
        terms.token = oneIn(3) ? address(token) : address(0);
        terms.callbackGas = oneIn(6) ? 0 : 100_000;
        consumer.setMood(Consumer.Mood(draw(5)));
    }

    function isOpen(Ghost storage ghost) internal view returns (bool) {
        return ghost.status == RequestBook.Status.Open && block.timestamp <= ghost.deadlineSeconds;
    }

    function genuine(bytes32 requestId) private view returns (Receipt memory) {
        uint256 operator = ghosts[requestId].operator;
        return receipt(answer(requestId, operator, OUTPUT, block.timestamp), operator, OUTPUT);
    }
}
