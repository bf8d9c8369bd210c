// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Panels} from "./coordinator/Panels.sol";
import {RequestBook} from "./coordinator/RequestBook.sol";
import {Subscriptions} from "./coordinator/Subscriptions.sol";
import {Input, IZkInferenceVerifier, Terms} from "./interfaces/IInferenceCoordinator.sol";
import {IReceiptVerifier, Receipt} from "./interfaces/IReceiptVerifier.sol";

/// @title Inference on request, paid on delivery
/// @notice A contract asks and pays in; an operator's service answers; the answer is verified, then paid, then handed over. Nobody
/// is trusted with the money: it goes to the named operator for a receipt that `ReceiptVerifier` accepts, or back.
/// Nobody owns this contract.
contract InferenceCoordinator is Panels, Subscriptions {
    constructor(IReceiptVerifier verifier_, IZkInferenceVerifier zkVerifier_)
        RequestBook(verifier_, zkVerifier_)
    {}

    /// @notice Asks one operator. The caller is the consumer that the answer is for, and whom the callback reaches.
    function request(Terms calldata terms, Input calldata input)
        external
        payable
        returns (bytes32 requestId)
    {
        checkTerms(terms);
        if (terms.operator == address(0)) revert OperatorMissing();
        takePayment(terms.token, terms.payment);
        return open(msg.sender, terms, commitmentOf(input), input.publicInput);
    }

    /// @notice Delivers an answer: verifies it, pays the request's operator, whoever submits, and calls the consumer.
    /// @param zkProof for `ZK_FLAG`; empty otherwise
    function deliver(Receipt calldata receipt, bytes calldata zkProof) external {
        bytes32 requestId = receipt.statement.requestId;
        Request memory opened = openRequest(requestId);
        if (opened.operator == address(0)) revert OperatorMissing();
        bytes32 digest = verifyAnswer(opened, opened.operator, receipt, zkProof);
        requests[requestId].status = Status.Delivered;
        credit_(opened.token, opened.operator, opened.payment);
        bool called = handOver(requestId, opened, receipt, digest);
        emit Delivered(requestId, opened.operator, digest, called);
    }
}
