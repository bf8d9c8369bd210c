// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Receipt} from "../../src/interfaces/IReceiptVerifier.sol";
import {IReceiptVerifier} from "../../src/interfaces/IReceiptVerifier.sol";
import {InferenceStatement} from "../../src/receipts/Statements.sol";
import {IAgentIdentities} from "../../src/standards/IERC8004Validation.sol";
import {InferenceClaim, InferenceValidator} from "../../src/standards/InferenceValidator.sol";
import {ValidationRegistry} from "../../src/standards/ValidationRegistry.sol";
import {ZkFixture} from "../support/ZkFixture.sol";

/// @notice Each agent's owner is the address of its number.
contract Identities is IAgentIdentities {
    mapping(address => mapping(address => bool)) public isApprovedForAll;
    mapping(uint256 => address) public getApproved;

    function ownerOf(uint256 agentId) external pure returns (address) {
        return address(uint160(agentId));
    }

    function setApprovalForAll(address operator, bool approved) external {
        isApprovedForAll[msg.sender][operator] = approved;
    }

    function approve(address operator, uint256 agentId) external {
        getApproved[agentId] = operator;
    }
}

contract ValidationsTest is ZkFixture {
    uint256 private constant AGENT = 0xA6;
    address private constant OWNER = address(uint160(AGENT));
    address private constant VALIDATOR = address(0xFA1);
    bytes32 private constant REQUEST = keccak256("request");

    Identities private identities;
    ValidationRegistry private validations;
    InferenceValidator private validator;

    function setUp() public override {
        super.setUp();
        register(standIn(32, 1));
        vm.warp(START_SECONDS + DELAY);
        identities = new Identities();
        validations = new ValidationRegistry(identities);
        validator = new InferenceValidator(validations, verifier, zk);
    }

    function test_theFirstResponseIsFinal() public {
        request(VALIDATOR, REQUEST);
        assertTrue(!validations.isAnswered(REQUEST), "open");
        respond(VALIDATOR, REQUEST, 0, "hard");
        (address by, uint256 agentId, uint8 response,, string memory tag, uint256 when) =
            validations.getValidationStatus(REQUEST);
        assertTrue(by == VALIDATOR && agentId == AGENT && response == 0 && when == block.timestamp, "status");
        assertEq(keccak256(bytes(tag)), keccak256("hard"), "tag");
        assertTrue(validations.isAnswered(REQUEST), "answered, with 0");
        vm.prank(VALIDATOR);
        vm.expectRevert(abi.encodeWithSelector(ValidationRegistry.ResponseFinal.selector, REQUEST));
        validations.validationResponse(REQUEST, 100, "", 0, "hard");
    }

    function test_ownersAndOperatorsAsk() public {
        address stranger = address(0x57);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ValidationRegistry.NotAgentsOwner.selector, AGENT, stranger));
        validations.validationRequest(VALIDATOR, AGENT, "", REQUEST);
        vm.prank(OWNER);
        identities.setApprovalForAll(stranger, true);
        vm.prank(stranger);
        validations.validationRequest(VALIDATOR, AGENT, "", REQUEST);
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(ValidationRegistry.RequestKnown.selector, REQUEST));
        validations.validationRequest(VALIDATOR, AGENT, "", REQUEST);
        identities.approve(address(0x58), AGENT);
        vm.prank(address(0x58));
        validations.validationRequest(VALIDATOR, AGENT, "", keccak256("by the approved one"));
        assertEq(validations.getAgentValidations(AGENT).length, 2, "listed");
    }

    function test_whatIsMalformedIsRefused() public {
        vm.expectRevert(ValidationRegistry.ValidatorMissing.selector);
        request(address(0), REQUEST);
        vm.expectRevert(ValidationRegistry.RequestHashMissing.selector);
        request(VALIDATOR, 0);
        vm.prank(OWNER);
        vm.expectRevert(ValidationRegistry.TextTooLong.selector);
        validations.validationRequest(VALIDATOR, AGENT, string(new bytes(2049)), REQUEST);
        vm.expectRevert(abi.encodeWithSelector(ValidationRegistry.RequestUnknown.selector, REQUEST));
        validations.getValidationStatus(REQUEST);
        request(VALIDATOR, REQUEST);
        vm.expectRevert(
            abi.encodeWithSelector(ValidationRegistry.NotValidator.selector, REQUEST, address(this))
        );
        validations.validationResponse(REQUEST, 100, "", 0, "");
        vm.expectRevert(abi.encodeWithSelector(ValidationRegistry.ResponseTooHigh.selector, 101));
        respond(VALIDATOR, REQUEST, 101, "");
        vm.expectRevert(ValidationRegistry.TextTooLong.selector);
        respond(VALIDATOR, REQUEST, 1, string(new bytes(65)));
    }

    /// @dev Beside the sums that a walk over all responses gives.
    function testFuzz_summariesAreThoseOfAllResponses(uint8[12] memory responses, uint8 pattern) public {
        string[2] memory tags = ["", "hard"];
        uint256[2][3][2] memory sums;
        uint256[2][3][2] memory counts;
        for (uint256 i = 0; i < responses.length; ++i) {
            uint8 response = responses[i] % 101;
            uint256 who = (i * 7 + pattern) % 3;
            uint256 tag = (i + pattern) % 2;
            bytes32 hash = keccak256(abi.encode(i));
            request(address(uint160(0xFA1 + who)), hash);
            respond(address(uint160(0xFA1 + who)), hash, response, tags[tag]);
            for (uint256 filter = 0; filter <= tag; ++filter) {
                sums[filter][who][0] += response;
                counts[filter][who][0] += 1;
            }
        }
        for (uint256 filter = 0; filter < 2; ++filter) {
            uint256 sum = sums[filter][0][0] + sums[filter][1][0] + sums[filter][2][0];
            uint256 count = counts[filter][0][0] + counts[filter][1][0] + counts[filter][2][0];
            requireSummary(new address[](0), tags[filter], sum, count);
            // Named twice, counted once.
            address[] memory two = new address[](3);
            (two[0], two[1], two[2]) = (address(0xFA1), address(0xFA2), address(0xFA1));
            sum = sums[filter][0][0] + sums[filter][1][0];
            count = counts[filter][0][0] + counts[filter][1][0];
            requireSummary(two, tags[filter], sum, count);
        }
    }

    function test_listsAreReadInParts() public {
        for (uint256 i = 0; i < 1001; ++i) {
            request(VALIDATOR, bytes32(i + 1));
        }
        vm.expectRevert(abi.encodeWithSelector(ValidationRegistry.TooMany.selector, 1001));
        validations.getAgentValidations(AGENT);
        vm.expectRevert(abi.encodeWithSelector(ValidationRegistry.TooMany.selector, 1001));
        validations.getValidatorRequests(VALIDATOR);
        bytes32[] memory last = validations.agentValidations(AGENT, 998, 1000);
        assertTrue(last.length == 3 && last[2] == bytes32(uint256(1001)), "the rest");
        assertEq(validations.validatorRequests(VALIDATOR, 0, 2).length, 2, "a part");
        assertEq(validations.validatorRequests(VALIDATOR, 5000, 2).length, 0, "beyond the end");
        vm.expectRevert(abi.encodeWithSelector(ValidationRegistry.TooMany.selector, 1001));
        validations.agentValidations(AGENT, 0, 1001);
        vm.expectRevert(abi.encodeWithSelector(ValidationRegistry.TooMany.selector, 65));
        validations.getSummary(AGENT, new address[](65), "");
    }

    function test_aReceiptValidatesOnce() public {
        InferenceClaim memory claim = claimOf(0);
        bytes32 hash = validator.requestHashOf(claim);
        Receipt memory receipt = shown(answerOf());
        vm.expectRevert(abi.encodeWithSelector(ValidationRegistry.RequestUnknown.selector, hash));
        validator.validate(claim, receipt, "");
        request(address(validator), hash);
        validator.validate(claim, receipt, "");
        (,, uint8 response, bytes32 digest, string memory tag,) = validations.getValidationStatus(hash);
        assertTrue(response == 100 && digest != 0, "validated");
        assertEq(keccak256(bytes(tag)), keccak256("tee"), "tag");
        vm.expectRevert(abi.encodeWithSelector(InferenceValidator.AlreadyValidated.selector, hash));
        validator.validate(claim, receipt, "");
    }

    function test_aClaimOfProofWantsTheProof() public {
        InferenceClaim memory claim = claimOf(4);
        bytes32 hash = validator.requestHashOf(claim);
        request(address(validator), hash);
        Receipt memory receipt = shown(answerOf());
        vm.expectRevert();
        validator.validate(claim, receipt, "");
        uint256[] memory changed = instances;
        changed[1] += 1;
        bytes memory other = proofOf(changed);
        vm.expectRevert();
        validator.validate(claim, receipt, other);
        validator.validate(claim, receipt, proofOf(instances));
        (,, uint8 response,, string memory tag,) = validations.getValidationStatus(hash);
        assertTrue(response == 100 && keccak256(bytes(tag)) == keccak256("tee+zk"), "validated");

        claim = claimOf(1);
        request(address(validator), validator.requestHashOf(claim));
        vm.expectRevert(abi.encodeWithSelector(IReceiptVerifier.DeliveryMissing.selector, 1));
        validator.validate(claim, receipt, "");
        claim = claimOf(8);
        vm.expectRevert(abi.encodeWithSelector(InferenceValidator.AssuranceUnknown.selector, 8));
        validator.validate(claim, receipt, "");
    }

    function test_requestsOfOthersAreNotAnswered() public {
        InferenceClaim memory claim = claimOf(0);
        bytes32 hash = validator.requestHashOf(claim);
        Receipt memory receipt = shown(answerOf());
        // To another validator.
        request(VALIDATOR, hash);
        vm.expectRevert(abi.encodeWithSelector(InferenceValidator.RequestMismatch.selector, hash));
        validator.validate(claim, receipt, "");
        // Of another agent, which saw the hash first.
        claim = claimOf(2);
        hash = validator.requestHashOf(claim);
        vm.prank(address(0xA7));
        validations.validationRequest(address(validator), 0xA7, "", hash);
        vm.expectRevert(abi.encodeWithSelector(InferenceValidator.RequestMismatch.selector, hash));
        validator.validate(claim, receipt, "");
    }

    function testFuzz_aClaimOfSomethingElseIsRefused(uint8 field, bytes32 other) public {
        InferenceClaim memory claim = claimOf(0);
        InferenceStatement memory answer = answerOf();
        field = uint8(bound(field, 0, 3));
        bytes32 before = field == 0
            ? answer.modelId
            : field == 1 ? answer.policyDigest : field == 2 ? answer.inputCommitment : answer.outputDigest;
        if (other == before) return;
        if (field == 0) claim.modelId = other;
        if (field == 1) claim.policyDigest = other;
        if (field == 2) claim.inputCommitment = other;
        if (field == 3) claim.outputDigest = other;
        request(address(validator), validator.requestHashOf(claim));
        Receipt memory receipt = shown(answer);
        vm.expectRevert(InferenceValidator.ClaimMismatch.selector);
        validator.validate(claim, receipt, "");
    }

    function request(address by, bytes32 hash) private {
        vm.prank(OWNER);
        validations.validationRequest(by, AGENT, "ipfs://request", hash);
    }

    function respond(address by, bytes32 hash, uint8 response, string memory tag) private {
        vm.prank(by);
        validations.validationResponse(hash, response, "", 0, tag);
    }

    function requireSummary(address[] memory by, string memory tag, uint256 sum, uint256 count) private view {
        (uint64 total, uint8 average) = validations.getSummary(AGENT, by, tag);
        assertEq(total, count, "count");
        assertEq(average, count == 0 ? 0 : sum / count, "average");
    }

    function claimOf(uint8 assurance) private view returns (InferenceClaim memory) {
        InferenceStatement memory answer = answerOf();
        return InferenceClaim(
            AGENT, answer.modelId, answer.policyDigest, answer.inputCommitment, answer.outputDigest, assurance
        );
    }

    function shown(InferenceStatement memory answer) private pure returns (Receipt memory receipt) {
        receipt = receiptOf(answer);
        receipt.encodedOutput = outputs(2_500_000, -1_250_000);
    }

    function answerOf() private view returns (InferenceStatement memory made) {
        made = statementOf(address(validator));
        made.inputCommitment = keccak256("an input");
        made.policyDigest = keccak256("policy");
        made.circuitInput = INPUT;
        made.outputDigest = keccak256(abi.encode(OUTPUT_SALT, outputs(2_500_000, -1_250_000)));
    }
}
