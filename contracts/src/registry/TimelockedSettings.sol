// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ownable} from "solady/auth/Ownable.sol";
import {IHaltable} from "../interfaces/IHaltable.sol";
import {TcbStatus} from "../interfaces/IQuoteVerifier.sol";

/// @notice What may be trusted: each change that widens it waits, each that narrows it holds at once.
enum Setting {
    ReferenceValue,
    QuoteVerifier,
    TcbStatus
}

/// @title The owner's settings of the registry
/// @notice Widening: `propose`, wait `delaySeconds`, `adopt`; anyone sees it coming. Narrowing: `withdraw`, `raiseTcbFloor`,
/// `setHalted`, at once.
abstract contract TimelockedSettings is Ownable, IHaltable {
    /// @notice Outside development chains (31337, 1337) the delay is at least a day.
    error DelayTooShort(uint256 delaySeconds);
    /// @notice The change was not proposed, or its time has not come, or passed fourteen days ago.
    error NotReady(bytes32 changeId, uint256 readyAtSeconds);
    /// @notice Not the index of a `TcbStatus`.
    error StatusUnknown(bytes32 value);
    /// @notice The TCB floor only rises.
    error FloorLowered(uint32 current, uint32 wanted);

    event Proposed(Setting indexed setting, bytes32 indexed value, uint256 readyAtSeconds);
    event Adopted(Setting indexed setting, bytes32 indexed value);
    event Withdrawn(Setting indexed setting, bytes32 indexed value);
    event TcbFloorRaised(uint32 evaluationNumber);
    event HaltedSet(bool halted);

    uint256 private constant MIN_DELAY_SECONDS = 1 days;
    uint256 private constant GRACE_SECONDS = 14 days;
    uint256 internal constant MAX_STATUS = uint256(type(TcbStatus).max);

    uint256 public immutable delaySeconds;
    mapping(bytes32 changeId => uint256) public readyAtSeconds;
    /// @notice Reference values, quote verifiers and TCB statuses in force.
    mapping(Setting => mapping(bytes32 value => bool)) public inForce;
    /// @notice The smallest acceptable TCB evaluation data number.
    uint32 public tcbFloor;
    /// @inheritdoc IHaltable
    bool public override halted;

    constructor(address owner_, uint256 delaySeconds_) {
        bool development = block.chainid == 31337 || block.chainid == 1337;
        if (!development && delaySeconds_ < MIN_DELAY_SECONDS) revert DelayTooShort(delaySeconds_);
        _initializeOwner(owner_);
        delaySeconds = delaySeconds_;
    }

    /// @notice Starts the wait for a reference value's id, a quote verifier's address (as bytes32) or the index of a
    /// `TcbStatus`.
    function propose(Setting setting, bytes32 value) external onlyOwner {
        if (setting == Setting.TcbStatus && uint256(value) > MAX_STATUS) revert StatusUnknown(value);
        uint256 ready = block.timestamp + delaySeconds;
        readyAtSeconds[changeId(setting, value)] = ready;
        emit Proposed(setting, value, ready);
    }

    /// @notice Ends it.
    function adopt(Setting setting, bytes32 value) external onlyOwner {
        bytes32 change = changeId(setting, value);
        uint256 ready = readyAtSeconds[change];
        if (ready == 0 || block.timestamp < ready || block.timestamp > ready + GRACE_SECONDS) {
            revert NotReady(change, ready);
        }
        delete readyAtSeconds[change];
        putInForce(setting, value);
    }

    /// @notice Ends a proposal, and what is in force.
    function withdraw(Setting setting, bytes32 value) external onlyOwner {
        delete readyAtSeconds[changeId(setting, value)];
        inForce[setting][value] = false;
        emit Withdrawn(setting, value);
    }

    function raiseTcbFloor(uint32 evaluationNumber) external onlyOwner {
        if (evaluationNumber < tcbFloor) revert FloorLowered(tcbFloor, evaluationNumber);
        tcbFloor = evaluationNumber;
        emit TcbFloorRaised(evaluationNumber);
    }

    /// @notice Stops every registration and verification, or lets them go on.
    function setHalted(bool halted_) external onlyOwner {
        halted = halted_;
        emit HaltedSet(halted_);
    }

    function changeId(Setting setting, bytes32 value) public pure returns (bytes32) {
        return keccak256(abi.encode(setting, value));
    }

    function putInForce(Setting setting, bytes32 value) internal {
        inForce[setting][value] = true;
        emit Adopted(setting, value);
    }
}
