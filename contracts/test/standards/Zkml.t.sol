// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {ZkInferenceVerifier} from "../../src/ZkInferenceVerifier.sol";
import {IERCZKMLRegistry, IERCZKMLVerifier, ModelCommitment} from "../../src/standards/IERC7992.sol";
import {ZkmlRegistry} from "../../src/standards/ZkmlRegistry.sol";
import {ZkmlVerifier} from "../../src/standards/ZkmlVerifier.sol";
import {ZkFixture} from "../support/ZkFixture.sol";

contract ZkmlTest is ZkFixture {
    address private constant STRANGER = address(0x57);

    ZkmlRegistry private models;
    ZkmlVerifier private zkml;
    uint256 private modelId;
    bytes32 private inputCommitment;
    bytes private output;

    function setUp() public override {
        super.setUp();
        register(standIn(32, 1));
        vm.warp(START_SECONDS + DELAY);
        models = new ZkmlRegistry();
        zkml = new ZkmlVerifier(zk, models);
        modelId = models.registerModel(commitmentOf());
        inputCommitment = zkml.inputCommitmentOf(CIRCUIT, INPUT);
        output = outputs(2_500_000, -1_250_000);
    }

    function test_aProvedInferenceIsVerified() public {
        vm.expectEmit(true, true, true, true, address(zkml));
        emit IERCZKMLVerifier.InferenceVerified(modelId, inputCommitment, output, address(this));
        zkml.verifyInference(modelId, inputCommitment, output, proofOf(instances));
        assertEq(bytes32(zkml.proofSystemOf(modelId)), bytes32(zkml.PROOF_SYSTEM_ID()), "proof system");
        assertEq(zkml.registry(), address(models), "registry");
    }

    function test_everyChangedArgumentIsRefused() public {
        bytes memory proof = proofOf(instances);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, modelId + 1));
        zkml.verifyInference(modelId + 1, inputCommitment, output, proof);
        vm.expectRevert(IERCZKMLVerifier.InputCommitmentMismatch.selector);
        zkml.verifyInference(modelId, bytes32(uint256(inputCommitment) ^ 1), output, proof);
        vm.expectRevert(IERCZKMLVerifier.OutputMismatch.selector);
        zkml.verifyInference(modelId, inputCommitment, outputs(2_600_000, -1_250_000), proof);
        vm.expectRevert(IERCZKMLVerifier.InvalidProof.selector);
        zkml.verifyInference(modelId, inputCommitment, abi.encode(new int256[](3)), proof);

        halo2Proof[5] = 0x01;
        bytes memory changed = proofOf(instances);
        vm.expectRevert(IERCZKMLVerifier.InvalidProof.selector);
        zkml.verifyInference(modelId, inputCommitment, output, changed);
        vm.expectRevert(IERCZKMLVerifier.InputCommitmentMismatch.selector);
        zkml.verifyInference(modelId, inputCommitment, output, proofOf(new uint256[](0)));
        vm.expectRevert();
        zkml.verifyInference(modelId, inputCommitment, output, "no proof");
    }

    function testFuzz_aChangedInstanceIsRefused(uint8 index, uint256 change) public {
        index = uint8(bound(index, 0, 2));
        change = bound(change, 1, type(uint256).max);
        uint256[] memory changed = instances;
        changed[index] ^= change;
        vm.expectRevert();
        zkml.verifyInference(modelId, inputCommitment, output, proofOf(changed));
    }

    /// @dev The one circuit, claimed for other weights, another key or another proof system.
    function test_everyCommitmentThatIsNotTheCircuitsIsRefused() public {
        bytes memory proof = proofOf(instances);
        for (uint256 field = 0; field < 4; ++field) {
            ModelCommitment memory other = commitmentOf();
            if (field == 0) other.modelHash = keccak256("other");
            if (field == 1) other.circuitHash = keccak256("other");
            if (field == 2) other.vkHash = keccak256("other");
            if (field == 3) other.proofSystemId = 0x01020304;
            uint256 id = models.registerModel(other);
            bytes memory refusal = field == 3
                ? abi.encodeWithSelector(IERCZKMLVerifier.UnsupportedProofSystem.selector, bytes4(0x01020304))
                : abi.encodeWithSelector(IERCZKMLVerifier.ModelMismatch.selector);
            vm.expectRevert(refusal);
            zkml.verifyInference(id, inputCommitment, output, proof);
        }
    }

    function test_aCircuitThatIsWithdrawnProvesNothing() public {
        bytes memory proof = proofOf(instances);
        zk.withdrawCircuit(CIRCUIT);
        vm.expectRevert(abi.encodeWithSelector(ZkInferenceVerifier.CircuitUnknown.selector, CIRCUIT));
        zkml.verifyInference(modelId, inputCommitment, output, proof);
    }

    function test_modelsAreTheirOwners() public {
        ModelCommitment memory changed = commitmentOf();
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.NotModelOwner.selector, modelId, STRANGER));
        models.deprecateModel(modelId);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.NotModelOwner.selector, modelId, STRANGER));
        models.updateModel(modelId, changed);
        vm.expectRevert(abi.encodeWithSelector(ZkmlRegistry.CommitmentFixed.selector, modelId));
        models.updateModel(modelId, changed);

        models.deprecateModel(modelId);
        (ModelCommitment memory kept, bool deprecated, address owner) = models.getModel(modelId);
        assertTrue(deprecated && owner == address(this), "deprecated");
        assertEq(kept.circuitHash, CIRCUIT, "kept");
        bytes memory proof = proofOf(instances);
        vm.expectRevert(
            abi.encodeWithSelector(IERCZKMLVerifier.VerificationRefused_ModelDeprecated.selector, modelId)
        );
        zkml.verifyInference(modelId, inputCommitment, output, proof);
    }

    function test_incompleteCommitmentsAreRefused() public {
        for (uint256 field = 0; field < 5; ++field) {
            ModelCommitment memory other = commitmentOf();
            if (field == 0) other.modelHash = 0;
            if (field == 1) other.circuitHash = 0;
            if (field == 2) other.vkHash = 0;
            if (field == 3) other.proofSystemId = 0;
            if (field == 4) other.uri = string(new bytes(2049));
            vm.expectRevert(ZkmlRegistry.CommitmentInvalid.selector);
            models.registerModel(other);
        }
    }

    function test_interfacesAreTold() public view {
        assertTrue(models.supportsInterface(type(IERCZKMLRegistry).interfaceId), "registry");
        assertTrue(zkml.supportsInterface(type(IERCZKMLVerifier).interfaceId), "verifier");
        assertTrue(zkml.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        assertTrue(!zkml.supportsInterface(0xffffffff), "nothing else");
    }

    function commitmentOf() private view returns (ModelCommitment memory) {
        return ModelCommitment(keccak256("model"), CIRCUIT, VK, zkml.PROOF_SYSTEM_ID(), "ipfs://model");
    }
}
