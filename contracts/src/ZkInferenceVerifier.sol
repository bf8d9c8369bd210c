// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ownable} from "solady/auth/Ownable.sol";
import {IEnclaveRegistry, Key} from "./interfaces/IEnclaveRegistry.sol";
import {IZkInferenceVerifier} from "./interfaces/IInferenceCoordinator.sol";
import {ReceiptSignature} from "./receipts/ReceiptSignature.sol";
import {InferenceStatement, Signature} from "./receipts/Statements.sol";
import {CircuitBinding, CircuitBindings} from "./zk/CircuitBindings.sol";
import {FixedPoint} from "./zk/FixedPoint.sol";
import {Halo2} from "./zk/Halo2.sol";

/// @title ZK proofs of answers, checked on chain
/// @notice A circuit counts here where an enclave signed its binding to a model, its SRS is on the list, and the owner said which
/// contract verifies it, and the delay has passed. That contract is known by its code; that its code is made from the
/// binding's verifying key is the owner's word, which anyone can check by generating it again.
contract ZkInferenceVerifier is IZkInferenceVerifier, Ownable {
    /// @param decimals of the model's output, `fixedPoint(decimals)` of its manifest: at most 18
    /// @param proofLength exact, in bytes: what is appended to a proof would go unnoticed
    /// @param outputs how many values the model answers with, in the order of the circuit's instances
    /// @param parametersHash instance 1 where the circuit's weights are hidden; 0: they are fixed in it
    /// @param halo2 the generated verifier
    /// @param key the contract that is its verifying key; 0: it has its own
    struct Verification {
        uint8 decimals;
        uint32 proofLength;
        uint16 outputs;
        uint256 parametersHash;
        address halo2;
        address key;
    }

    /// @param vkDigest SHA-256 of the verifying key that the owner of the model signed for
    struct Circuit {
        bytes32 modelId;
        bytes32 vkDigest;
        uint8 outputScale;
        uint64 bound;
        uint40 countsFromSeconds;
        Verification verification;
        bytes32 halo2CodeHash;
        bytes32 keyCodeHash;
    }

    /// @notice Outside development chains (31337, 1337) the delay is at least a day.
    error DelayTooShort(uint256 delaySeconds);
    /// @notice A development SRS, whose maker can forge proofs, on a chain that is not for development.
    error DevelopmentSrs();
    error SrsNotListed(bytes32 srsDigest);
    error BindingKeyNotAccepted(bytes32 keysetDigest);
    error BindingSignerMismatch(address expected, address actual);
    error CircuitInvalid();
    error CircuitRegistered(bytes32 circuitId);
    /// @notice No such circuit, or its time has not come.
    error CircuitUnknown(bytes32 circuitId);
    error ModelMismatch(bytes32 expected, bytes32 actual);
    error ProofLengthMismatch(uint256 expected, uint256 actual);
    error InstancesInvalid();
    /// @notice The proof is about another input, or the statement names none.
    error CircuitInputMismatch();
    /// @notice The proof is about other weights.
    error ParametersMismatch();
    /// @notice The delivered value `index` is not the circuit's, within the bound.
    error OutputBeyondBound(uint256 index);
    /// @notice The verifier's code, or its key's, is not what was registered.
    error VerifierChanged();
    error ProofInvalid();

    event CircuitRegistration(
        bytes32 indexed circuitId, bytes32 indexed modelId, address halo2, uint256 countsFromSeconds
    );
    event CircuitWithdrawn(bytes32 indexed circuitId);

    uint256 private constant MIN_DELAY_SECONDS = 1 days;
    uint8 private constant MAX_DECIMALS = 18;
    uint8 private constant MAX_SCALE = 30;

    IEnclaveRegistry public immutable registry;
    uint256 public immutable delaySeconds;
    /// @notice SHA-256 of an SRS's verifying part.
    mapping(bytes32 srsDigest => bool) public srsListed;
    mapping(bytes32 circuitId => Circuit) private circuits;

    /// @param ceremonySrs of ceremonies that `owner_` vouches for
    /// @param developmentSrs none but on development chains
    constructor(
        IEnclaveRegistry registry_,
        address owner_,
        uint256 delaySeconds_,
        bytes32[] memory ceremonySrs,
        bytes32[] memory developmentSrs
    ) {
        bool development = block.chainid == 31337 || block.chainid == 1337;
        if (!development && delaySeconds_ < MIN_DELAY_SECONDS) revert DelayTooShort(delaySeconds_);
        if (!development && developmentSrs.length != 0) revert DevelopmentSrs();
        _initializeOwner(owner_);
        registry = registry_;
        delaySeconds = delaySeconds_;
        for (uint256 i = 0; i < ceremonySrs.length; ++i) {
            srsListed[ceremonySrs[i]] = true;
        }
        for (uint256 i = 0; i < developmentSrs.length; ++i) {
            srsListed[developmentSrs[i]] = true;
        }
    }

    /// @notice Lets proofs of a circuit count, once the delay has passed.
    /// @param binding signed by a receipt key that is listed and active now
    function registerCircuit(
        CircuitBinding calldata binding,
        bytes32 keysetDigest,
        Signature calldata signature,
        Verification calldata verification
    ) external onlyOwner {
        requireSigned(binding, keysetDigest, signature);
        bytes32 circuitId = binding.circuitId;
        if (!srsListed[binding.srsDigest]) revert SrsNotListed(binding.srsDigest);
        if (circuits[circuitId].modelId != 0) revert CircuitRegistered(circuitId);
        bool keyMissing = verification.key != address(0) && verification.key.code.length == 0;
        if (
            binding.modelId == 0 || binding.outputScale > MAX_SCALE || verification.decimals > MAX_DECIMALS
                || verification.proofLength == 0 || verification.outputs == 0
                || verification.halo2.code.length == 0 || keyMissing
        ) revert CircuitInvalid();
        uint256 countsFrom = block.timestamp + delaySeconds;
        circuits[circuitId] = Circuit(
            binding.modelId,
            binding.vkDigest,
            binding.outputScale,
            binding.bound,
            uint40(countsFrom),
            verification,
            verification.halo2.codehash,
            verification.key.codehash
        );
        emit CircuitRegistration(circuitId, binding.modelId, verification.halo2, countsFrom);
    }

    /// @notice Ends it, at once.
    function withdrawCircuit(bytes32 circuitId) external onlyOwner {
        delete circuits[circuitId];
        emit CircuitWithdrawn(circuitId);
    }

    /// @inheritdoc IZkInferenceVerifier
    /// @param proof as for `requireProof`
    function requireProved(
        InferenceStatement calldata statement,
        bytes calldata encodedOutput,
        bytes calldata proof
    ) external view {
        requireProof(statement.modelId, statement.circuitInput, encodedOutput, proof);
    }

    /// @notice As `requireProved`, for who has no statement: reverts unless the model turns the input behind `circuitInput` into
    /// this output, within the circuit's bound.
    /// @param proof abi.encode(bytes32 circuitId, bytes proof, uint256[] instances)
    function requireProof(
        bytes32 modelId,
        bytes32 circuitInput,
        bytes calldata encodedOutput,
        bytes calldata proof
    ) public view {
        (bytes32 circuitId, bytes memory halo2Proof, uint256[] memory instances) =
            abi.decode(proof, (bytes32, bytes, uint256[]));
        Circuit memory circuit = circuitOf(circuitId);
        if (circuit.modelId != modelId) revert ModelMismatch(circuit.modelId, modelId);
        Verification memory verification = circuit.verification;
        if (halo2Proof.length != verification.proofLength) {
            revert ProofLengthMismatch(verification.proofLength, halo2Proof.length);
        }
        requireInstances(circuit, instances, circuitInput, encodedOutput);
        address halo2 = verification.halo2;
        address key = verification.key;
        if (halo2.codehash != circuit.halo2CodeHash || key.codehash != circuit.keyCodeHash) {
            revert VerifierChanged();
        }
        if (!Halo2.holds(halo2, key, halo2Proof, instances)) revert ProofInvalid();
    }

    /// @notice A circuit that counts.
    function circuitOf(bytes32 circuitId) public view returns (Circuit memory circuit) {
        circuit = circuits[circuitId];
        if (circuit.modelId == 0 || block.timestamp < circuit.countsFromSeconds) {
            revert CircuitUnknown(circuitId);
        }
    }

    function requireSigned(
        CircuitBinding calldata binding,
        bytes32 keysetDigest,
        Signature calldata signature
    ) private view {
        Key key = registry.keyOf(keysetDigest);
        if (!key.isListedAndActive(block.timestamp)) revert BindingKeyNotAccepted(keysetDigest);
        address signer = ReceiptSignature.recover(CircuitBindings.hash(binding), signature);
        if (signer != key.signer()) revert BindingSignerMismatch(key.signer(), signer);
    }

    /// @dev Instance 0 is the input's commitment, then the weights' where they are hidden, then the outputs.
    function requireInstances(
        Circuit memory circuit,
        uint256[] memory instances,
        bytes32 circuitInput,
        bytes calldata encodedOutput
    ) private pure {
        Verification memory verification = circuit.verification;
        uint256 first = verification.parametersHash == 0 ? 1 : 2;
        if (instances.length != first + verification.outputs) revert InstancesInvalid();
        if (circuitInput == 0 || instances[0] != uint256(circuitInput)) revert CircuitInputMismatch();
        if (first == 2 && instances[1] != verification.parametersHash) revert ParametersMismatch();
        int256[] memory values = FixedPoint.decode(encodedOutput);
        if (values.length != verification.outputs) revert InstancesInvalid();
        for (uint256 i = 0; i < values.length; ++i) {
            bool within = FixedPoint.isWithin(
                values[i], instances[first + i], verification.decimals, circuit.outputScale, circuit.bound
            );
            if (!within) revert OutputBeyondBound(i);
        }
    }
}
