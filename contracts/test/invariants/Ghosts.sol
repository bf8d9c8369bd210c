// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RequestBook} from "../../src/coordinator/RequestBook.sol";
import {EnclaveRegistry} from "../../src/EnclaveRegistry.sol";
import {Terms} from "../../src/interfaces/IInferenceCoordinator.sol";
import {Receipt} from "../../src/interfaces/IReceiptVerifier.sol";
import {InferenceCoordinator} from "../../src/InferenceCoordinator.sol";
import {InferenceStatement} from "../../src/receipts/Statements.sol";
import {Consumer, Token} from "../support/Consumers.sol";
import {CoordinatorFixture} from "../support/CoordinatorFixture.sol";

/// @notice What ought to have happened to each request, and where all money ought to be: kept beside the coordinator. Whether a call
/// succeeds is foretold, so that each call compares the coordinator with this.
abstract contract Ghosts is CoordinatorFixture {
    struct Ghost {
        bool panel;
        uint8 operator;
        address token;
        uint256 payment;
        uint256 deadlineSeconds;
        RequestBook.Status status;
        bool verified;
        uint256 settlements;
    }

    uint256 internal constant OPERATORS = 3;
    /// @dev By rising address; keys 1, 2 and 3 sign for them.
    address[OPERATORS] internal operators = [address(0x901), address(0x902), address(0x903)];
    bytes32[OPERATORS] internal keysets;
    Token internal token;

    bytes32[] public ids;
    mapping(bytes32 requestId => Ghost) internal ghosts;
    uint256 private chance;
    /// @dev Those that are open, of one operator and of panels.
    bytes32[] internal openSingles;
    bytes32[] internal openPanels;
    mapping(address token => uint256) public deposited;
    mapping(address token => uint256) public withdrawn;
    /// @notice In open requests, bonds and what is left of subscriptions.
    mapping(address token => uint256) public bound;

    /// @notice The request that the last call was about.
    bytes32 public touched;
    uint256 public calls;
    uint256 public done;
    uint256 public refused;
    uint256 public delivered;
    uint256 public concluded;
    uint256 public refunded;
    uint256 public opened;

    constructor(
        InferenceCoordinator coordinator_,
        Consumer consumer_,
        EnclaveRegistry registry_,
        bytes32[OPERATORS] memory keysets_
    ) {
        (coordinator, consumer, registry, keysets) = (coordinator_, consumer_, registry_, keysets_);
        token = new Token();
        vm.prank(address(consumer));
        token.approve(address(coordinator), type(uint256).max);
        for (uint256 i = 0; i < OPERATORS; ++i) {
            deposited[address(0)] += 1 ether;
            act(operators[i], 1 ether, abi.encodeCall(coordinator.stake, ()), true);
        }
    }

    function setUp() public override {}

    function count() external view returns (uint256) {
        return ids.length;
    }

    function assets() public view returns (address[2] memory) {
        return [address(0), address(token)];
    }

    /// @notice What the coordinator owes outright.
    function owed(address asset) external view returns (uint256 sum) {
        sum = coordinator.credits(asset, address(consumer));
        for (uint256 i = 0; i < OPERATORS; ++i) {
            sum += coordinator.credits(asset, operators[i]);
            if (asset == address(0)) sum += coordinator.stakes(operators[i]);
        }
    }

    function ghostOf(bytes32 requestId) external view returns (Ghost memory) {
        return ghosts[requestId];
    }

    /// @dev Starts a call: all its choices are drawn from the one number that forge chose, each as likely as the other.
    function begin(uint256 seed) internal {
        ++calls;
        chance = uint256(keccak256(abi.encode(seed, calls)));
    }

    function draw(uint256 choices) internal returns (uint256) {
        chance = uint256(keccak256(abi.encode(chance)));
        return chance % choices;
    }

    function oneIn(uint256 choices) internal returns (bool) {
        return draw(choices) == 0;
    }

    /// @dev Calls the coordinator as `sender`; reverts where the outcome is not the foretold one.
    function act(address sender, uint256 value, bytes memory data, bool expected)
        internal
        returns (bytes memory result)
    {
        bool ok;
        if (value != 0) vm.deal(sender, value);
        vm.prank(sender);
        (ok, result) = address(coordinator).call{value: value}(data);
        if (ok != expected) revert Untrue(ok ? "went through" : "was refused");
        if (ok) ++done;
        else ++refused;
    }

    /// @dev The consumer's ether or tokens for a payment. @return value the ether to send along
    function fund(address asset, uint256 amount) internal returns (uint256 value) {
        deposited[asset] += amount;
        bound[asset] += amount;
        if (asset == address(0)) return amount;
        token.mint(address(consumer), amount);
    }

    function enter(bytes32 requestId, Terms memory terms, uint8 operator) internal {
        Ghost storage ghost = ghosts[requestId];
        assertTrue(ghost.status == RequestBook.Status.None, "a new id");
        ghost.panel = terms.operator == address(0);
        ghost.operator = operator;
        (ghost.token, ghost.payment) = (terms.token, terms.payment);
        ghost.deadlineSeconds = terms.deadlineSeconds;
        ghost.status = RequestBook.Status.Open;
        ids.push(requestId);
        (ghost.panel ? openPanels : openSingles).push(requestId);
        touched = requestId;
        ++opened;
    }

    /// @dev The payment has left the request.
    function settle(bytes32 requestId, RequestBook.Status status) internal {
        Ghost storage ghost = ghosts[requestId];
        ghost.status = status;
        ghost.settlements += 1;
        bound[ghost.token] -= ghost.payment;
        bytes32[] storage open = ghost.panel ? openPanels : openSingles;
        for (uint256 i = 0; i < open.length; ++i) {
            if (open[i] != requestId) continue;
            open[i] = open[open.length - 1];
            open.pop();
            return;
        }
    }

    /// @dev Mostly an open one of that kind, sometimes any request of a run; 0: there is none.
    function pick(bytes32[] storage open) internal returns (bytes32 requestId) {
        if (ids.length == 0) return 0;
        bool any = open.length == 0 || oneIn(8);
        requestId = any ? ids[draw(ids.length)] : open[draw(open.length)];
        touched = requestId;
    }

    function anyone() internal returns (address) {
        return operators[draw(OPERATORS)];
    }

    function answer(bytes32 requestId, uint256 operator, bytes memory output, uint256 issuedAtSeconds)
        internal
        view
        returns (InferenceStatement memory statement)
    {
        statement = answerBy(operators[operator], requestId);
        statement.keysetDigest = keysets[operator];
        statement.outputDigest = keccak256(abi.encode(OUTPUT_SALT, output));
        statement.issuedAtMs = uint64(issuedAtSeconds * 1000);
    }

    function receipt(InferenceStatement memory statement, uint256 operator, bytes memory output)
        internal
        pure
        returns (Receipt memory made)
    {
        made = receiptOf(statement, operator + 1);
        made.encodedOutput = output;
    }

    function creditOf(address asset, uint256 operator) internal view returns (uint256) {
        return coordinator.credits(asset, operators[operator]);
    }
}
