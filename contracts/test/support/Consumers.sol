// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IInferenceConsumer, Input, Terms} from "../../src/interfaces/IInferenceCoordinator.sol";
import {Receipt} from "../../src/interfaces/IReceiptVerifier.sol";
import {InferenceCoordinator} from "../../src/InferenceCoordinator.sol";

/// @notice A consumer that keeps what it was told, or misbehaves.
contract Consumer is IInferenceConsumer {
    enum Mood {
        Kind,
        Reverts,
        BurnsGas,
        ReturnsMuch,
        ReentersDeliver
    }

    InferenceCoordinator private immutable coordinator;
    Mood public mood;
    bytes public output;
    uint256 public calls;

    constructor(InferenceCoordinator coordinator_) {
        coordinator = coordinator_;
    }

    receive() external payable {}

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function ask(Terms calldata terms, Input calldata input) external payable returns (bytes32) {
        return coordinator.request{value: msg.value}(terms, input);
    }

    function onInference(bytes32, bytes calldata encodedOutput, Receipt calldata receipt) external {
        require(msg.sender == address(coordinator));
        if (mood == Mood.Reverts) revert("no");
        if (mood == Mood.BurnsGas) while (true) {}
        if (mood == Mood.ReturnsMuch) {
            assembly {
                return(0, 1000000)
            }
        }
        if (mood == Mood.ReentersDeliver) coordinator.deliver(receipt, "");
        output = encodedOutput;
        calls += 1;
    }
}

/// @notice An ERC-20 that can take a fee.
contract Token {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    uint256 public fee;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function setFee(uint256 fee_) external {
        fee = fee_;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        move(from, to, amount);
        return true;
    }

    function move(address from, address to, uint256 amount) private {
        balanceOf[from] -= amount;
        balanceOf[to] += amount - fee;
    }
}
