// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {InferenceStatement, Signature} from "../src/receipts/Statements.sol";
import {CircuitBinding, CircuitBindings} from "../src/zk/CircuitBindings.sol";
import {FixedPoint} from "../src/zk/FixedPoint.sol";
import {ZkInferenceVerifier} from "../src/ZkInferenceVerifier.sol";
import {ZkFixture} from "./support/ZkFixture.sol";

contract ZkInferenceVerifierTest is ZkFixture {
    function test_provedAnswers() public {
        register(standIn(32, 1));
        vm.warp(START_SECONDS + DELAY);
        zk.requireProved(statement(), outputs(2_500_000, -1_250_000), proofOf(instances));
        // Up to the bound of 0.02 and half a unit of the last decimal.
        zk.requireProved(statement(), outputs(2_520_000, -1_230_000), proofOf(instances));
        vm.expectRevert(abi.encodeWithSelector(ZkInferenceVerifier.OutputBeyondBound.selector, 0));
        zk.requireProved(statement(), outputs(2_520_001, -1_250_000), proofOf(instances));
        vm.expectRevert(abi.encodeWithSelector(ZkInferenceVerifier.OutputBeyondBound.selector, 1));
        zk.requireProved(statement(), outputs(2_500_000, -1_270_001), proofOf(instances));
    }

    function test_aVerifierForAllCircuitsIsGivenItsKey() public {
        address key = address(new KeyContract());
        bytes32 accepted = keccak256(abi.encode(key, halo2Proof, instances));
        ZkInferenceVerifier.Verification memory verification = verificationOf(accepted, 32, 1);
        verification.key = key;
        register(verification);
        vm.warp(START_SECONDS + DELAY);
        zk.requireProved(statement(), outputs(2_500_000, -1_250_000), proofOf(instances));
        vm.etch(key, hex"00");
        vm.expectRevert(ZkInferenceVerifier.VerifierChanged.selector);
        zk.requireProved(statement(), outputs(2_500_000, -1_250_000), proofOf(instances));
    }

    function test_onlyTheWordOneIsAYes() public {
        uint256[2][5] memory answers =
            [[uint256(0), 1], [uint256(31), 1], [uint256(64), 1], [uint256(32), 0], [uint256(32), 2]];
        for (uint256 i = 0; i < answers.length; ++i) {
            register(standIn(answers[i][0], answers[i][1]));
            vm.warp(block.timestamp + DELAY);
            vm.expectRevert(ZkInferenceVerifier.ProofInvalid.selector);
            zk.requireProved(statement(), outputs(2_500_000, -1_250_000), proofOf(instances));
            zk.withdrawCircuit(CIRCUIT);
        }
    }

    function test_everythingIsHeldToTheStatement() public {
        register(standIn(32, 1));
        bytes memory output = outputs(2_500_000, -1_250_000);
        vm.expectRevert(abi.encodeWithSelector(ZkInferenceVerifier.CircuitUnknown.selector, CIRCUIT));
        zk.requireProved(statement(), output, proofOf(instances));
        vm.warp(START_SECONDS + DELAY);

        InferenceStatement memory other = statement();
        other.modelId = keccak256("another model");
        vm.expectRevert(
            abi.encodeWithSelector(
                ZkInferenceVerifier.ModelMismatch.selector, keccak256("model"), other.modelId
            )
        );
        zk.requireProved(other, output, proofOf(instances));
        other = statement();
        other.circuitInput = bytes32(uint256(8));
        vm.expectRevert(ZkInferenceVerifier.CircuitInputMismatch.selector);
        zk.requireProved(other, output, proofOf(instances));
        other.circuitInput = 0;
        vm.expectRevert(ZkInferenceVerifier.CircuitInputMismatch.selector);
        zk.requireProved(other, output, proofOf(instances));

        bytes memory longer = abi.encode(CIRCUIT, bytes.concat(halo2Proof, bytes32(0)), instances);
        vm.expectRevert(
            abi.encodeWithSelector(
                ZkInferenceVerifier.ProofLengthMismatch.selector, PROOF_LENGTH, PROOF_LENGTH + 32
            )
        );
        zk.requireProved(statement(), output, longer);
        uint256[] memory changed = new uint256[](2);
        vm.expectRevert(ZkInferenceVerifier.InstancesInvalid.selector);
        zk.requireProved(statement(), output, proofOf(changed));
        // Within the bound, but not the instances of the proof.
        changed = instances;
        changed[1] += 1;
        vm.expectRevert(ZkInferenceVerifier.ProofInvalid.selector);
        zk.requireProved(statement(), output, proofOf(changed));
        // The same number in the field, not canonical.
        changed[1] = FixedPoint.MODULUS + 640;
        vm.expectRevert(abi.encodeWithSelector(ZkInferenceVerifier.OutputBeyondBound.selector, 0));
        zk.requireProved(statement(), output, proofOf(changed));
        vm.expectRevert();
        zk.requireProved(statement(), bytes.concat(output, bytes32(0)), proofOf(instances));
        vm.expectRevert(ZkInferenceVerifier.InstancesInvalid.selector);
        zk.requireProved(statement(), abi.encode(new int256[](3)), proofOf(instances));
    }

    function test_hiddenWeightsAreHeldToTheirHash() public {
        uint256[] memory hidden = new uint256[](4);
        (hidden[0], hidden[1], hidden[2], hidden[3]) = (uint256(INPUT), 99, 640, FixedPoint.MODULUS - 320);
        bytes32 accepted = keccak256(abi.encode(halo2Proof, hidden));
        ZkInferenceVerifier.Verification memory verification = verificationOf(accepted, 32, 1);
        verification.parametersHash = 99;
        register(verification);
        vm.warp(START_SECONDS + DELAY);
        zk.requireProved(statement(), outputs(2_500_000, -1_250_000), proofOf(hidden));
        hidden[1] = 98;
        vm.expectRevert(ZkInferenceVerifier.ParametersMismatch.selector);
        zk.requireProved(statement(), outputs(2_500_000, -1_250_000), proofOf(hidden));
    }

    function test_circuitsEnterByAnEnclavesBindingAlone() public {
        CircuitBinding memory binding = bindingOf();
        Signature memory signature = sign(SIGNER_KEY, CircuitBindings.hash(binding));
        ZkInferenceVerifier.Verification memory verification = standIn(32, 1);

        vm.prank(address(1));
        vm.expectRevert();
        zk.registerCircuit(binding, keysetDigest, signature, verification);
        bytes32 unknown = keccak256("unknown");
        vm.expectRevert(abi.encodeWithSelector(ZkInferenceVerifier.BindingKeyNotAccepted.selector, unknown));
        zk.registerCircuit(binding, unknown, signature, verification);
        binding.bound += 1;
        vm.expectRevert();
        zk.registerCircuit(binding, keysetDigest, signature, verification);
        binding = bindingOf();
        binding.srsDigest = keccak256("another srs");
        Signature memory other = sign(SIGNER_KEY, CircuitBindings.hash(binding));
        vm.expectRevert(abi.encodeWithSelector(ZkInferenceVerifier.SrsNotListed.selector, binding.srsDigest));
        zk.registerCircuit(binding, keysetDigest, other, verification);
        verification.decimals = 19;
        vm.expectRevert(ZkInferenceVerifier.CircuitInvalid.selector);
        zk.registerCircuit(bindingOf(), keysetDigest, signature, verification);
        verification.decimals = 6;
        zk.registerCircuit(bindingOf(), keysetDigest, signature, verification);
        vm.expectRevert(abi.encodeWithSelector(ZkInferenceVerifier.CircuitRegistered.selector, CIRCUIT));
        zk.registerCircuit(bindingOf(), keysetDigest, signature, verification);
    }

    function test_developmentIsForDevelopmentChains() public {
        deployed(new bytes32[](0), listOf(SRS));
        vm.chainId(1);
        vm.expectRevert(ZkInferenceVerifier.DevelopmentSrs.selector);
        deployed(new bytes32[](0), listOf(SRS));
        vm.expectRevert(abi.encodeWithSelector(ZkInferenceVerifier.DelayTooShort.selector, 1));
        new ZkInferenceVerifier(registry, address(this), 1, listOf(SRS), new bytes32[](0));
    }

    /// @dev Beside the same comparison in whole numbers, of values that do not overflow there.
    function testFuzz_theBoundIsExact(int64 value, int64 proved, uint64 bound) public pure {
        uint256 instance =
            proved < 0 ? FixedPoint.MODULUS - uint256(-int256(proved)) : uint256(int256(proved));
        int256 apart = int256(value) * 256 - int256(proved) * 1e6;
        uint256 distance = uint256(apart < 0 ? -apart : apart);
        bool expected = distance * 2 * 1e9 <= uint256(bound) * 2 * 256e6 + 256e9;
        assertTrue(FixedPoint.isWithin(value, instance, 6, 8, bound) == expected, "bound");
    }
}

/// @notice Stands where a verifying key does.
contract KeyContract {
    uint256 public constant VALUE = 1;
}
