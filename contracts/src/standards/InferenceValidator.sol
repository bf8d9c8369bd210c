// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ZK_FLAG} from "../interfaces/IInferenceCoordinator.sol";
import {IReceiptVerifier, Receipt, Requirements} from "../interfaces/IReceiptVerifier.sol";
import {InferenceStatement, PROOF_FLAG, REEXECUTION_FLAG} from "../receipts/Statements.sol";
import {ZkInferenceVerifier} from "../ZkInferenceVerifier.sol";
import {IValidationRegistry} from "./IERC8004Validation.sol";

/// @notice What an agent wants validated: that this model turned this input into this output.
/// @param outputDigest of the output under its salt (docs/spec/encoding.md)
/// @param assurance what must be delivered beside the receipt: `PROOF_FLAG`, `REEXECUTION_FLAG`, `ZK_FLAG`
struct InferenceClaim {
    uint256 agentId;
    bytes32 modelId;
    bytes32 policyDigest;
    bytes32 inputCommitment;
    bytes32 outputDigest;
    uint8 assurance;
}

/// @title A validator for ERC-8004 that believes receipts
/// @notice The agent asks the registry for a validation by this contract, with `requestHashOf(claim)`; then anyone shows the receipt, whose
/// audience names this contract, and the registry gets the response 100, once. There is no other response: that a receipt is
/// missing shows nothing about the work.
contract InferenceValidator {
    error AssuranceUnknown(uint8 assurance);
    /// @notice The registry has no such request to this contract, of this agent.
    error RequestMismatch(bytes32 requestHash);
    error AlreadyValidated(bytes32 requestHash);
    /// @notice The receipt is about another model, policy, input or output.
    error ClaimMismatch();

    uint8 private constant VALID = 100;

    IValidationRegistry public immutable registry;
    IReceiptVerifier public immutable verifier;
    ZkInferenceVerifier public immutable zkVerifier;
    mapping(bytes32 requestHash => bool) public isValidated;

    constructor(IValidationRegistry registry_, IReceiptVerifier verifier_, ZkInferenceVerifier zkVerifier_) {
        (registry, verifier, zkVerifier) = (registry_, verifier_, zkVerifier_);
    }

    /// @notice keccak256 of the request's payload, abi.encode(chain id, this contract, claim).
    function requestHashOf(InferenceClaim memory claim) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), claim));
    }

    /// @param zkProof for `ZK_FLAG`; empty otherwise
    function validate(InferenceClaim calldata claim, Receipt calldata receipt, bytes calldata zkProof)
        external
    {
        uint8 known = PROOF_FLAG | REEXECUTION_FLAG | ZK_FLAG;
        if (claim.assurance & ~known != 0) revert AssuranceUnknown(claim.assurance);
        bytes32 requestHash = requestHashOf(claim);
        if (isValidated[requestHash]) revert AlreadyValidated(requestHash);
        (address validator, uint256 agentId,,,,) = registry.getValidationStatus(requestHash);
        if (validator != address(this) || agentId != claim.agentId) revert RequestMismatch(requestHash);

        InferenceStatement calldata statement = receipt.statement;
        if (
            statement.modelId != claim.modelId || statement.policyDigest != claim.policyDigest
                || statement.inputCommitment != claim.inputCommitment
                || statement.outputDigest != claim.outputDigest
        ) revert ClaimMismatch();
        uint8 delivered = claim.assurance & (PROOF_FLAG | REEXECUTION_FLAG);
        bytes32 digest = verifier.verifyFor(address(this), receipt, Requirements(delivered, 0, 0));
        bool proved = claim.assurance & ZK_FLAG != 0;
        if (proved) zkVerifier.requireProved(statement, receipt.encodedOutput, zkProof);

        isValidated[requestHash] = true;
        registry.validationResponse(requestHash, VALID, "", digest, proved ? "tee+zk" : "tee");
    }
}
