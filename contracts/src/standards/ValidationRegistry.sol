// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IAgentIdentities, IValidationRegistry} from "./IERC8004Validation.sol";

/// @title Validations of agents' work by ERC-8004
/// @notice A validator's first response is final. Sums are kept as responses come, and what is listed is limited, so that no call
/// takes longer the more there is: a list of more than 1,000 is read in parts.
contract ValidationRegistry is IValidationRegistry {
    struct Validation {
        address validator;
        uint8 response;
        bool answered;
        uint64 lastUpdate;
        uint256 agentId;
        bytes32 responseHash;
        string tag;
    }

    struct Tally {
        uint64 count;
        uint64 sum;
    }

    error ValidatorMissing();
    error RequestHashMissing();
    error RequestKnown(bytes32 requestHash);
    error RequestUnknown(bytes32 requestHash);
    error NotAgentsOwner(uint256 agentId, address caller);
    error NotValidator(bytes32 requestHash, address caller);
    error ResponseFinal(bytes32 requestHash);
    error ResponseTooHigh(uint8 response);
    error TextTooLong();
    /// @notice Of a list that is read in parts, or a filter.
    error TooMany(uint256 count);

    uint8 private constant MAX_RESPONSE = 100;
    uint256 private constant MAX_URI_BYTES = 2048;
    uint256 private constant MAX_TAG_BYTES = 64;
    uint256 private constant MAX_LISTED = 1000;
    uint256 private constant MAX_FILTERED = 64;

    IAgentIdentities private immutable identities;
    mapping(bytes32 requestHash => Validation) private validations;
    mapping(uint256 agentId => bytes32[]) private ofAgent;
    mapping(address validator => bytes32[]) private ofValidator;
    /// @dev By agent, validator (0: all) and tag (empty: every).
    mapping(bytes32 key => Tally) private tallies;

    constructor(IAgentIdentities identities_) {
        identities = identities_;
    }

    /// @inheritdoc IValidationRegistry
    function getIdentityRegistry() external view returns (address) {
        return address(identities);
    }

    /// @inheritdoc IValidationRegistry
    function validationRequest(
        address validatorAddress,
        uint256 agentId,
        string calldata requestURI,
        bytes32 requestHash
    ) external {
        if (validatorAddress == address(0)) revert ValidatorMissing();
        if (requestHash == 0) revert RequestHashMissing();
        if (bytes(requestURI).length > MAX_URI_BYTES) revert TextTooLong();
        if (validations[requestHash].validator != address(0)) revert RequestKnown(requestHash);
        requireOwner(agentId);
        Validation storage validation = validations[requestHash];
        validation.validator = validatorAddress;
        validation.agentId = agentId;
        validation.lastUpdate = uint64(block.timestamp);
        ofAgent[agentId].push(requestHash);
        ofValidator[validatorAddress].push(requestHash);
        emit ValidationRequest(validatorAddress, agentId, requestURI, requestHash);
    }

    /// @inheritdoc IValidationRegistry
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external {
        Validation storage validation = known(requestHash);
        if (validation.validator != msg.sender) revert NotValidator(requestHash, msg.sender);
        if (validation.answered) revert ResponseFinal(requestHash);
        if (response > MAX_RESPONSE) revert ResponseTooHigh(response);
        if (bytes(responseURI).length > MAX_URI_BYTES || bytes(tag).length > MAX_TAG_BYTES) {
            revert TextTooLong();
        }
        validation.answered = true;
        validation.response = response;
        validation.responseHash = responseHash;
        validation.tag = tag;
        validation.lastUpdate = uint64(block.timestamp);
        uint256 agentId = validation.agentId;
        count(agentId, address(0), "", response);
        count(agentId, msg.sender, "", response);
        if (bytes(tag).length != 0) {
            count(agentId, address(0), tag, response);
            count(agentId, msg.sender, tag, response);
        }
        emit ValidationResponse(msg.sender, agentId, requestHash, response, responseURI, responseHash, tag);
    }

    /// @inheritdoc IValidationRegistry
    function getValidationStatus(bytes32 requestHash)
        external
        view
        returns (address, uint256, uint8, bytes32, string memory, uint256)
    {
        Validation storage validation = known(requestHash);
        return (
            validation.validator,
            validation.agentId,
            validation.response,
            validation.responseHash,
            validation.tag,
            validation.lastUpdate
        );
    }

    /// @notice Whether it was responded to: a response of 0 and none look alike in `getValidationStatus`.
    function isAnswered(bytes32 requestHash) external view returns (bool) {
        return known(requestHash).answered;
    }

    /// @inheritdoc IValidationRegistry
    /// @dev At most 64 validators, each counted once.
    function getSummary(uint256 agentId, address[] calldata validatorAddresses, string calldata tag)
        external
        view
        returns (uint64 total, uint8 averageResponse)
    {
        uint256 length = validatorAddresses.length;
        if (length > MAX_FILTERED) revert TooMany(length);
        Tally memory tally;
        if (length == 0) tally = tallies[keyOf(agentId, address(0), tag)];
        for (uint256 i = 0; i < length; ++i) {
            address validator = validatorAddresses[i];
            // 0 is no validator, and the key of all of them.
            if (validator == address(0) || isAmong(validatorAddresses[:i], validator)) continue;
            Tally memory one = tallies[keyOf(agentId, validator, tag)];
            tally.count += one.count;
            tally.sum += one.sum;
        }
        return (tally.count, tally.count == 0 ? 0 : uint8(tally.sum / tally.count));
    }

    /// @inheritdoc IValidationRegistry
    function getAgentValidations(uint256 agentId) external view returns (bytes32[] memory) {
        return whole(ofAgent[agentId]);
    }

    /// @inheritdoc IValidationRegistry
    function getValidatorRequests(address validatorAddress) external view returns (bytes32[] memory) {
        return whole(ofValidator[validatorAddress]);
    }

    /// @notice A part of `getAgentValidations`, at most 1,000, in the order in which they were requested.
    function agentValidations(uint256 agentId, uint256 first, uint256 limit)
        external
        view
        returns (bytes32[] memory)
    {
        return part(ofAgent[agentId], first, limit);
    }

    /// @notice A part of `getValidatorRequests`, likewise.
    function validatorRequests(address validatorAddress, uint256 first, uint256 limit)
        external
        view
        returns (bytes32[] memory)
    {
        return part(ofValidator[validatorAddress], first, limit);
    }

    function known(bytes32 requestHash) private view returns (Validation storage validation) {
        validation = validations[requestHash];
        if (validation.validator == address(0)) revert RequestUnknown(requestHash);
    }

    function requireOwner(uint256 agentId) private view {
        address owner = identities.ownerOf(agentId);
        bool speaks = msg.sender == owner || identities.isApprovedForAll(owner, msg.sender)
            || identities.getApproved(agentId) == msg.sender;
        if (!speaks) revert NotAgentsOwner(agentId, msg.sender);
    }

    function count(uint256 agentId, address validator, string memory tag, uint8 response) private {
        Tally storage tally = tallies[keyOf(agentId, validator, tag)];
        tally.count += 1;
        tally.sum += response;
    }

    function keyOf(uint256 agentId, address validator, string memory tag) private pure returns (bytes32) {
        return keccak256(abi.encode(agentId, validator, keccak256(bytes(tag))));
    }

    function isAmong(address[] calldata list, address wanted) private pure returns (bool) {
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] == wanted) return true;
        }
        return false;
    }

    function whole(bytes32[] storage list) private view returns (bytes32[] memory) {
        if (list.length > MAX_LISTED) revert TooMany(list.length);
        return list;
    }

    function part(bytes32[] storage list, uint256 first, uint256 limit)
        private
        view
        returns (bytes32[] memory found)
    {
        if (limit > MAX_LISTED) revert TooMany(limit);
        uint256 rest = first < list.length ? list.length - first : 0;
        found = new bytes32[](limit < rest ? limit : rest);
        for (uint256 i = 0; i < found.length; ++i) {
            found[i] = list[first + i];
        }
    }
}
