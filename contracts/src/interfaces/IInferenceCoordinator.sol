// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Receipt} from "./IReceiptVerifier.sol";
import {InferenceStatement} from "../receipts/Statements.sol";

/// @dev Bit of `assurance` beside `PROOF_FLAG` and `REEXECUTION_FLAG`: a ZK proof verified by this chain, not by an enclave.
uint8 constant ZK_FLAG = 4;

/// @notice What is asked for, and under which conditions it is paid.
/// @param assurance bits that must be delivered: `PROOF_FLAG`, `REEXECUTION_FLAG`, `ZK_FLAG`
/// @param pinned code that the requester pinned in the registry, not code that the registry's owner lists
/// @param callbackGas gas for `IInferenceConsumer.onInference`; 0: the requester pulls the answer
/// @param operator who is paid, whoever submits; of a panel 0
/// @param token ERC-20 of the payment; 0: ether
/// @param payment in the token's smallest unit
/// @param deadlineSeconds Unix time after which the payment goes back
struct Terms {
    bytes32 modelId;
    bytes32 policyDigest;
    bytes32 circuitInput;
    uint8 assurance;
    bool pinned;
    uint32 callbackGas;
    address operator;
    address token;
    uint96 payment;
    uint40 deadlineSeconds;
}

/// @notice One of the two.
/// @param publicInput canonical tensors (docs/spec/encoding.md), committed to under the salt of public inputs
/// @param commitment to an input that the service is given elsewhere
struct Input {
    bytes publicInput;
    bytes32 commitment;
}

/// @notice Called with an answer that the coordinator verified for this contract.
interface IInferenceConsumer {
    /// @notice Whatever it does is its own affair: a revert costs nobody else anything, and the answer can be pulled.
    function onInference(bytes32 requestId, bytes calldata encodedOutput, Receipt calldata receipt) external;
}

/// @notice Checks ZK proofs of statements.
interface IZkInferenceVerifier {
    /// @notice Reverts unless `proof` shows that the statement's model turns the input behind its `circuitInput` into this output,
    /// within the circuit's bound.
    function requireProved(
        InferenceStatement calldata statement,
        bytes calldata encodedOutput,
        bytes calldata proof
    ) external view;
}
