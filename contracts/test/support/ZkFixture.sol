// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {InferenceStatement, Signature} from "../../src/receipts/Statements.sol";
import {CircuitBinding, CircuitBindings} from "../../src/zk/CircuitBindings.sol";
import {FixedPoint} from "../../src/zk/FixedPoint.sol";
import {ZkInferenceVerifier} from "../../src/ZkInferenceVerifier.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Answers as a generated verifier does: yes to one proof and its instances, a bare revert to others, and as it is told.
/// Real ones are in test/zk-chain.test.ts.
contract StandInHalo2 {
    bytes32 private immutable accepted;
    uint256 private immutable answerLength;
    uint256 private immutable answer;

    constructor(bytes32 accepted_, uint256 answerLength_, uint256 answer_) {
        (accepted, answerLength, answer) = (accepted_, answerLength_, answer_);
    }

    function verifyProof(bytes calldata proof, uint256[] calldata instances) external view {
        reply(keccak256(abi.encode(proof, instances)));
    }

    function verifyProof(address key, bytes calldata proof, uint256[] calldata instances) external view {
        reply(keccak256(abi.encode(key, proof, instances)));
    }

    function reply(bytes32 asked) private view {
        uint256 length = answerLength;
        uint256 word = answer;
        if (asked != accepted) {
            assembly {
                revert(0, 0)
            }
        }
        assembly {
            mstore(0, word)
            return(0, length)
        }
    }
}

/// @notice A circuit of two outputs, 2.5 and -1.25, and its one proof.
abstract contract ZkFixture is Fixture {
    bytes32 internal constant CIRCUIT = keccak256("circuit");
    bytes32 internal constant SRS = keccak256("srs");
    bytes32 internal constant VK = keccak256("vk");
    bytes32 internal constant INPUT = bytes32(uint256(7));
    uint256 internal constant DELAY = 1 days;
    uint32 internal constant PROOF_LENGTH = 64;

    ZkInferenceVerifier internal zk;
    bytes internal halo2Proof = new bytes(PROOF_LENGTH);
    uint256[] internal instances;

    function setUp() public virtual override {
        super.setUp();
        zk = deployed(listOf(SRS), new bytes32[](0));
        // 2.5 at scale 8, and -1.25.
        instances.push(uint256(INPUT));
        instances.push(640);
        instances.push(FixedPoint.MODULUS - 320);
    }

    function listOf(bytes32 value) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = value;
    }

    function deployed(bytes32[] memory ceremony, bytes32[] memory development)
        internal
        returns (ZkInferenceVerifier)
    {
        return new ZkInferenceVerifier(registry, address(this), DELAY, ceremony, development);
    }

    function statement() internal view returns (InferenceStatement memory made) {
        made = statementOf(CONSUMER);
        made.circuitInput = INPUT;
    }

    function bindingOf() internal pure returns (CircuitBinding memory) {
        return CircuitBinding(
            keccak256("model"), CIRCUIT, VK, SRS, 8, 8, 20_000_000, 2048, keccak256("document"), 1
        );
    }

    function verificationOf(bytes32 accepted, uint256 length, uint256 answer)
        internal
        returns (ZkInferenceVerifier.Verification memory)
    {
        address halo2 = address(new StandInHalo2(accepted, length, answer));
        return ZkInferenceVerifier.Verification(6, PROOF_LENGTH, 2, 0, halo2, address(0));
    }

    function standIn(uint256 length, uint256 answer)
        internal
        returns (ZkInferenceVerifier.Verification memory)
    {
        return verificationOf(keccak256(abi.encode(halo2Proof, instances)), length, answer);
    }

    function register(ZkInferenceVerifier.Verification memory verification) internal {
        CircuitBinding memory binding = bindingOf();
        Signature memory signature = sign(SIGNER_KEY, CircuitBindings.hash(binding));
        zk.registerCircuit(binding, keysetDigest, signature, verification);
    }

    function outputs(int256 first, int256 second) internal pure returns (bytes memory) {
        int256[] memory values = new int256[](2);
        (values[0], values[1]) = (first, second);
        return abi.encode(values);
    }

    function proofOf(uint256[] memory numbers) internal view returns (bytes memory) {
        return abi.encode(CIRCUIT, halo2Proof, numbers);
    }
}
