// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    IInferenceConsumer,
    Input,
    IZkInferenceVerifier,
    Terms,
    ZK_FLAG
} from "../interfaces/IInferenceCoordinator.sol";
import {IReceiptVerifier, Receipt, Requirements} from "../interfaces/IReceiptVerifier.sol";
import {InferenceStatement, PROOF_FLAG, REEXECUTION_FLAG} from "../receipts/Statements.sol";
import {Escrow} from "./Escrow.sol";
import {PublicSalts} from "./PublicSalts.sol";

/// @title Requests and their answers
/// @notice A request's id is a hash of all that its answer must agree with, so that three slots hold a request: comparing the
/// id that the statement's own fields give compares them all.
abstract contract RequestBook is Escrow {
    enum Status {
        None,
        Open,
        Delivered,
        Refunded
    }

    /// @param pinnedAtSeconds Unix time of a request for pinned code, whose requester may not take a pin back from under it; 0:
    /// listed code
    struct Request {
        address requester;
        Status status;
        uint8 assurance;
        uint32 callbackGas;
        uint40 deadlineSeconds;
        address token;
        uint96 payment;
        address operator;
        uint56 nonce;
        uint40 pinnedAtSeconds;
    }

    /// @notice Kept where no callback took the answer.
    struct Answer {
        bytes32 statementDigest;
        bytes32 outputHash;
    }

    error InputInvalid();
    error DeadlineInvalid(uint256 deadlineSeconds);
    error AssuranceUnknown(uint8 assurance);
    error CallbackGasTooHigh(uint256 callbackGas);
    error OperatorMissing();
    error RequestNotOpen(bytes32 requestId, Status status);
    error DeadlinePassed(bytes32 requestId);
    error DeadlineNotPassed(bytes32 requestId);
    /// @notice The statement's model, input, circuit input or policy is not the request's.
    error RequestMismatch(bytes32 expected, bytes32 actual);
    /// @notice The statement's settlement does not name the operator: it is another's answer.
    error SettlementMismatch(bytes32 expected, bytes32 actual);
    /// @notice A statement for a chain has neither request nor response body.
    error BodyDigestsUnexpected();
    error PromiseMissing(uint8 asked, uint8 promised);
    /// @notice Not enough gas is left for the callback that was paid for.
    error GasTooLow(uint256 needed);
    error AnswerUnknown(bytes32 requestId);

    event Requested(
        bytes32 indexed requestId,
        address indexed requester,
        address indexed operator,
        uint64 nonce,
        Terms terms,
        bytes32 inputCommitment,
        bytes publicInput
    );
    /// @param called whether the callback ran to its end; where not, the answer can be pulled
    event Delivered(
        bytes32 indexed requestId, address indexed operator, bytes32 statementDigest, bool called
    );
    event Refunded(bytes32 indexed requestId, address indexed requester);

    uint256 private constant MAX_DURATION_SECONDS = 30 days;
    uint256 private constant MAX_CALLBACK_GAS = 10_000_000;
    /// @dev For what follows a callback: two new slots and an event.
    uint256 private constant AFTER_CALLBACK_GAS = 60_000;

    IReceiptVerifier public immutable verifier;
    /// @notice 0: nothing that asks for `ZK_FLAG` is taken.
    IZkInferenceVerifier public immutable zkVerifier;
    mapping(bytes32 requestId => Request) public requests;
    mapping(bytes32 requestId => Answer) public answers;
    mapping(address requester => uint56) public nonces;

    constructor(IReceiptVerifier verifier_, IZkInferenceVerifier zkVerifier_) {
        verifier = verifier_;
        zkVerifier = zkVerifier_;
    }

    /// @notice Gives the payment of an unanswered request back to its requester, once its deadline has passed. Anyone may.
    function refund(bytes32 requestId) external {
        Request storage request = openRequest(requestId);
        if (block.timestamp <= request.deadlineSeconds) revert DeadlineNotPassed(requestId);
        request.status = Status.Refunded;
        emit Refunded(requestId, request.requester);
        credit_(request.token, request.requester, request.payment);
    }

    /// @notice Reverts unless `encodedOutput` is the answer to the request: how a consumer without a callback reads it.
    /// @return statementDigest the digest of the statement that the answer rests on
    function requireAnswer(bytes32 requestId, bytes calldata encodedOutput)
        external
        view
        returns (bytes32 statementDigest)
    {
        Answer storage answer = answers[requestId];
        statementDigest = answer.statementDigest;
        if (statementDigest == 0 || keccak256(encodedOutput) != answer.outputHash) {
            revert AnswerUnknown(requestId);
        }
    }

    /// @notice keccak256(abi.encode(chain id, coordinator, requester, nonce, model, input, circuit input, policy)).
    function requestIdOf(
        address requester,
        uint64 nonce,
        bytes32 modelId,
        bytes32 inputCommitment,
        bytes32 circuitInput,
        bytes32 policyDigest
    ) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                block.chainid,
                address(this),
                requester,
                nonce,
                modelId,
                inputCommitment,
                circuitInput,
                policyDigest
            )
        );
    }

    function checkTerms(Terms memory terms) internal view {
        uint8 known = PROOF_FLAG | REEXECUTION_FLAG;
        if (address(zkVerifier) != address(0)) known |= ZK_FLAG;
        if (terms.assurance & ~known != 0) revert AssuranceUnknown(terms.assurance);
        if (terms.callbackGas > MAX_CALLBACK_GAS) revert CallbackGasTooHigh(terms.callbackGas);
        if (
            terms.deadlineSeconds <= block.timestamp
                || terms.deadlineSeconds > block.timestamp + MAX_DURATION_SECONDS
        ) revert DeadlineInvalid(terms.deadlineSeconds);
    }

    function commitmentOf(Input calldata input) internal pure returns (bytes32) {
        bool isPublic = input.publicInput.length != 0;
        if (isPublic == (input.commitment != 0)) revert InputInvalid();
        return isPublic ? sha256(bytes.concat(PublicSalts.INPUT, input.publicInput)) : input.commitment;
    }

    /// @dev The payment is in hand already.
    function open(address requester, Terms memory terms, bytes32 inputCommitment, bytes memory publicInput)
        internal
        returns (bytes32 requestId)
    {
        uint56 nonce = nonces[requester]++;
        requestId = requestIdOf(
            requester, nonce, terms.modelId, inputCommitment, terms.circuitInput, terms.policyDigest
        );
        requests[requestId] = Request({
            requester: requester,
            status: Status.Open,
            assurance: terms.assurance,
            callbackGas: terms.callbackGas,
            deadlineSeconds: terms.deadlineSeconds,
            token: terms.token,
            payment: terms.payment,
            operator: terms.operator,
            nonce: nonce,
            pinnedAtSeconds: terms.pinned ? uint40(block.timestamp) : 0
        });
        emit Requested(requestId, requester, terms.operator, nonce, terms, inputCommitment, publicInput);
    }

    function openRequest(bytes32 requestId) internal view returns (Request storage request) {
        request = requests[requestId];
        if (request.status != Status.Open) revert RequestNotOpen(requestId, request.status);
    }

    /// @dev All that an answer must be, before anything moves.
    function verifyAnswer(
        Request memory request,
        address operator,
        Receipt calldata receipt,
        bytes calldata zkProof
    ) internal view returns (bytes32 statementDigest) {
        InferenceStatement calldata statement = receipt.statement;
        if (block.timestamp > request.deadlineSeconds) revert DeadlinePassed(statement.requestId);
        requireAnswers(request, operator, statement);
        uint8 wanted = request.assurance & (PROOF_FLAG | REEXECUTION_FLAG);
        uint8 promised = request.assurance & ZK_FLAG == 0 ? wanted : wanted | PROOF_FLAG;
        if (statement.promised & promised != promised) revert PromiseMissing(promised, statement.promised);
        statementDigest =
            verifier.verifyFor(request.requester, receipt, Requirements(wanted, request.pinnedAtSeconds, 0));
        if (request.assurance & ZK_FLAG != 0) {
            zkVerifier.requireProved(statement, receipt.encodedOutput, zkProof);
        }
    }

    /// @dev `settlement` is keccak256(abi.encode(request id, operator)): the enclave says whose answer it signed, so that nobody
    /// else is paid for it, or votes with it.
    function requireAnswers(Request memory request, address operator, InferenceStatement calldata statement)
        private
        view
    {
        bytes32 requestId = requestIdOf(
            request.requester,
            request.nonce,
            statement.modelId,
            statement.inputCommitment,
            statement.circuitInput,
            statement.policyDigest
        );
        if (requestId != statement.requestId) revert RequestMismatch(requestId, statement.requestId);
        bytes32 settlement = keccak256(abi.encode(requestId, operator));
        if (settlement != statement.settlement) revert SettlementMismatch(settlement, statement.settlement);
        if (statement.requestDigest != 0 || statement.responseDigest != 0) revert BodyDigestsUnexpected();
    }

    /// @dev State is final before the call. No return data is copied, and the consumer gets the gas that it paid for.
    function handOver(bytes32 requestId, Request memory request, Receipt calldata receipt, bytes32 digest)
        internal
        returns (bool called)
    {
        if (request.callbackGas != 0) {
            bytes memory data =
                abi.encodeCall(IInferenceConsumer.onInference, (requestId, receipt.encodedOutput, receipt));
            uint256 needed = uint256(request.callbackGas) * 64 / 63 + AFTER_CALLBACK_GAS;
            if (gasleft() < needed) revert GasTooLow(needed);
            uint256 callbackGas = request.callbackGas;
            address consumer = request.requester;
            assembly ("memory-safe") {
                called := call(callbackGas, consumer, 0, add(data, 0x20), mload(data), 0, 0)
            }
        }
        if (!called) answers[requestId] = Answer(digest, keccak256(receipt.encodedOutput));
    }
}
