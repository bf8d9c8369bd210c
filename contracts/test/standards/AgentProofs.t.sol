// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {Receipt, Requirements} from "../../src/interfaces/IReceiptVerifier.sol";
import {InferenceStatement} from "../../src/receipts/Statements.sol";
import {AgentVerifier} from "../../src/standards/AgentVerifier.sol";
import {IAgentVerifier, IProofVerifier} from "../../src/standards/IERC8274.sol";
import {ProofVerdict} from "../../src/standards/ProofVerdict.sol";
import {ReceiptProofVerifier, ReceiptRules} from "../../src/standards/ReceiptProofVerifier.sol";
import {ZkProofVerifier} from "../../src/standards/ZkProofVerifier.sol";
import {ZkFixture} from "../support/ZkFixture.sol";

contract AgentProofsTest is ZkFixture {
    bytes32 private constant AGENT = keccak256("agent");
    bytes32 private constant TASK = keccak256("task");
    bytes32 private constant COMMITTED = keccak256("an input");

    ReceiptProofVerifier private receipts;
    ZkProofVerifier private proofs;

    function setUp() public override {
        super.setUp();
        register(standIn(32, 1));
        vm.warp(START_SECONDS + DELAY);
        receipts = new ReceiptProofVerifier(verifier);
        proofs = new ZkProofVerifier(zk);
    }

    function test_receiptsAreProofs() public {
        Receipt memory receipt = receiptOf(claimed());
        bytes32 outputHash = receipt.statement.outputDigest;
        assertTrue(receipts.verify(COMMITTED, outputHash, rules(), abi.encode(receipt)), "valid");
        assertTrue(!receipts.verify(0, outputHash, rules(), abi.encode(receipt)), "another input");
        assertTrue(!receipts.verify(COMMITTED, 0, rules(), abi.encode(receipt)), "another output");
        assertTrue(!receipts.verify(COMMITTED, outputHash, rules(), "no receipt"), "no receipt");
        assertTrue(!receipts.verify(COMMITTED, outputHash, "no rules", abi.encode(receipt)), "no rules");
        registry.setHalted(true);
        assertTrue(!receipts.verify(COMMITTED, outputHash, rules(), abi.encode(receipt)), "halted");
    }

    function test_receiptsAreHeldToTheRules() public {
        Receipt memory receipt = receiptOf(claimed());
        bytes32 outputHash = receipt.statement.outputDigest;
        for (uint256 field = 0; field < 5; ++field) {
            ReceiptRules memory other = rulesOf();
            if (field == 0) other.consumer = address(1);
            if (field == 1) other.modelId = 0;
            if (field == 2) other.policyDigest = 0;
            if (field == 3) other.requirements.delivered = 1;
            if (field == 4) other.requirements.pinnedAtSeconds = uint64(block.timestamp);
            bool held = receipts.verify(COMMITTED, outputHash, abi.encode(other), abi.encode(receipt));
            assertTrue(!held, "held to the rules");
        }
        ReceiptRules memory brief = rulesOf();
        brief.requirements.maxAgeSeconds = 60;
        assertTrue(receipts.verify(COMMITTED, outputHash, abi.encode(brief), abi.encode(receipt)), "fresh");
        vm.warp(block.timestamp + 120);
        assertTrue(!receipts.verify(COMMITTED, outputHash, abi.encode(brief), abi.encode(receipt)), "old");
    }

    function testFuzz_aChangedReceiptIsNone(uint8 index, uint256 change) public view {
        InferenceStatement memory changed = claimed();
        Receipt memory receipt = receiptOf(changed);
        bytes32 outputHash = changed.outputDigest;
        index = uint8(bound(index, 0, 16));
        change &= index < 13 ? type(uint256).max : index == 13 ? 0xff : type(uint64).max;
        if (change == 0) change = 1;
        InferenceStatement memory shown = receipt.statement;
        assembly ("memory-safe") {
            let place := add(shown, mul(index, 0x20))
            mstore(place, xor(mload(place), change))
        }
        assertTrue(!receipts.verify(COMMITTED, outputHash, rules(), abi.encode(receipt)), "changed");
    }

    function test_zkProofsAreProofs() public view {
        bytes memory output = outputs(2_500_000, -1_250_000);
        bytes memory metadata = abi.encode(keccak256("model"), CIRCUIT);
        bytes memory proof = abi.encode(output, proofOf(instances));
        bytes32 outputHash = keccak256(output);
        assertTrue(proofs.verify(INPUT, outputHash, metadata, proof), "valid");
        assertTrue(!proofs.verify(bytes32(uint256(8)), outputHash, metadata, proof), "another input");
        assertTrue(!proofs.verify(INPUT, 0, metadata, proof), "another output");
        bytes memory other = abi.encode(keccak256("another model"), CIRCUIT);
        assertTrue(!proofs.verify(INPUT, outputHash, other, proof), "another model");
        other = abi.encode(keccak256("model"), keccak256("another circuit"));
        assertTrue(!proofs.verify(INPUT, outputHash, other, proof), "another circuit");
        bytes memory far = outputs(3_000_000, -1_250_000);
        proof = abi.encode(far, proofOf(instances));
        assertTrue(!proofs.verify(INPUT, keccak256(far), metadata, proof), "beyond the bound");
        assertTrue(!proofs.verify(INPUT, outputHash, metadata, "no proof"), "no proof");
    }

    /// @dev A no that comes of too little gas would let whoever pays for the call decide a task.
    function test_aLackOfGasIsNoAnswer() public {
        Receipt memory receipt = receiptOf(claimed());
        bytes memory call = abi.encodeCall(
            receipts.verify, (COMMITTED, receipt.statement.outputDigest, rules(), abi.encode(receipt))
        );
        uint256 answered;
        for (uint256 gas = 5000; gas < 200_000; gas += 2500) {
            (bool ok, bytes memory result) = address(receipts).call{gas: gas}(call);
            if (!ok) continue;
            assertTrue(abi.decode(result, (bool)), "never a no");
            ++answered;
        }
        assertTrue(answered > 0, "a yes with gas enough");
    }

    function test_anAgentsClaimIsVerifiedOnce() public {
        AgentVerifier agent = agentVerifier(receipts, rules());
        Receipt memory receipt = receiptOf(claimed());
        bytes32 outputHash = receipt.statement.outputDigest;
        bytes memory proof = abi.encode(receipt);
        bytes32 profile = receipts.proofProfile();

        (bool valid, bytes32 digest) = agent.verify(TASK, keccak256("other"), COMMITTED, outputHash, proof);
        assertTrue(!valid, "another agent");
        (valid,) = agent.verify(TASK, AGENT, keccak256("other"), outputHash, proof);
        assertTrue(!valid, "another input");
        (valid, digest) = agent.verify(TASK, AGENT, COMMITTED, outputHash, proof);
        assertTrue(valid, "valid");
        bytes32 expected = keccak256(abi.encode(TASK, AGENT, COMMITTED, outputHash, true, profile));
        assertEq(digest, expected, "digest");
        (valid, digest) = agent.verify(TASK, AGENT, COMMITTED, outputHash, proof);
        expected = keccak256(abi.encode(TASK, AGENT, COMMITTED, outputHash, false, profile));
        assertTrue(!valid && digest == expected, "once");
        // What another settles is its own.
        vm.prank(address(0x57));
        (valid,) = agent.verify(TASK, AGENT, COMMITTED, outputHash, proof);
        assertTrue(valid, "for each caller");
    }

    function test_profilesNameTheDeployment() public {
        assertEq(keccak256(bytes(receipts.proofSystem())), keccak256("tee/affidavit"), "receipts");
        assertEq(keccak256(bytes(proofs.proofSystem())), keccak256("zk/ezkl"), "proofs");
        assertTrue(receipts.proofProfile() != proofs.proofProfile(), "apart");
        assertEq(receipts.proofProfile(), new ReceiptProofVerifier(verifier).proofProfile(), "the same");
        assertTrue(
            new ZkProofVerifier(deployed(listOf(SRS), new bytes32[](0))).proofProfile()
                != proofs.proofProfile(),
            "another verifier"
        );
    }

    function test_interfacesAreTold() public {
        AgentVerifier agent = agentVerifier(receipts, rules());
        assertTrue(receipts.supportsInterface(type(IProofVerifier).interfaceId), "proof verifier");
        assertTrue(agent.supportsInterface(type(IAgentVerifier).interfaceId), "agent verifier");
        assertTrue(agent.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        assertTrue(!agent.supportsInterface(type(IProofVerifier).interfaceId), "nothing else");
        vm.expectRevert(AgentVerifier.AgentsMissing.selector);
        new AgentVerifier(receipts, rules(), new bytes32[](0));
    }

    function agentVerifier(ProofVerdict by, bytes memory metadata) private returns (AgentVerifier) {
        return new AgentVerifier(by, metadata, listOf(AGENT));
    }

    function claimed() private view returns (InferenceStatement memory made) {
        made = statementOf(CONSUMER);
        made.inputCommitment = COMMITTED;
        made.policyDigest = keccak256("policy");
    }

    function rulesOf() private pure returns (ReceiptRules memory) {
        return ReceiptRules(CONSUMER, keccak256("model"), keccak256("policy"), Requirements(0, 0, 0));
    }

    function rules() private pure returns (bytes memory) {
        return abi.encode(rulesOf());
    }
}
