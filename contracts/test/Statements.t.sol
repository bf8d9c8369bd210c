// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ReceiptSignature} from "../src/receipts/ReceiptSignature.sol";
import {
    Checkpoint,
    InferenceStatement,
    Proof,
    Reexecution,
    Revocation,
    Signature,
    StatementDigest
} from "../src/receipts/Statements.sol";
import {Digests, Harness} from "./support/Digests.sol";
import {Vectors} from "./support/Vectors.sol";

contract StatementsTest is Vectors {
    Harness private harness;

    function setUp() public {
        harness = new Harness();
    }

    function recover(bytes32 digest, Signature calldata signature) external view returns (address) {
        return ReceiptSignature.recover(digest, signature);
    }

    function test_domainSeparator() public view {
        assertEq(
            StatementDigest.DOMAIN_SEPARATOR,
            word(vector("statement-Proof"), ".expected.domainSeparator"),
            "domain separator"
        );
    }

    function test_inferenceStatementsOfTheVectors() public view {
        string[] memory cases = vectors("statement-tampered-");
        assertTrue(cases.length == 17, "a case a field");
        for (uint256 i = 0; i < cases.length; ++i) {
            checkInferenceStatement(cases[i]);
        }
        checkInferenceStatement(vector("statement-InferenceStatement"));
    }

    function checkInferenceStatement(string memory json) private view {
        checkTypeHash(json, StatementDigest.INFERENCE_STATEMENT_TYPEHASH);
        bytes memory words = vm.parseJsonBytes(json, ".expected.words");
        InferenceStatement memory statement = abi.decode(words, (InferenceStatement));
        bytes32 digest = harness.hash(statement);
        checkSigned(json, digest, 1, word(json, ".input.keysetDigest"));
        assertEq(digest, Digests.hash(statement), "both ways of hashing");
    }

    function test_proof() public view {
        string memory json = vector("statement-Proof");
        checkTypeHash(json, StatementDigest.PROOF_TYPEHASH);
        bytes memory words = vm.parseJsonBytes(json, ".expected.words");
        checkSigned(json, harness.hash(abi.decode(words, (Proof))), 7, word(json, ".input.keysetDigest"));
    }

    function test_reexecution() public view {
        string memory json = vector("statement-Reexecution");
        checkTypeHash(json, StatementDigest.REEXECUTION_TYPEHASH);
        bytes memory words = vm.parseJsonBytes(json, ".expected.words");
        checkSigned(
            json, harness.hash(abi.decode(words, (Reexecution))), 8, word(json, ".input.keysetDigest")
        );
    }

    function test_revocation() public view {
        string memory json = vector("statement-Revocation");
        checkTypeHash(json, StatementDigest.REVOCATION_TYPEHASH);
        bytes memory words = vm.parseJsonBytes(json, ".expected.words");
        checkSigned(
            json, harness.hash(abi.decode(words, (Revocation))), 12, word(json, ".input.keysetDigest")
        );
    }

    function test_checkpoint() public view {
        string memory json = vector("statement-Checkpoint");
        checkTypeHash(json, StatementDigest.CHECKPOINT_TYPEHASH);
        Checkpoint memory checkpoint = Checkpoint(
            vm.parseJsonString(json, ".input.fields.origin"),
            uint64At(json, ".input.fields.size"),
            word(json, ".input.fields.root"),
            word(json, ".input.fields.keysetDigest"),
            uint64At(json, ".input.fields.timeMs")
        );
        bytes32 digest = harness.hash(checkpoint);
        assertEq(digest, word(json, ".expected.digest"), "digest");
        assertEq(digest, Digests.hash(checkpoint), "both ways of hashing");
        Signature memory signature = signatureAt(json, ".input.signature");
        assertEq(this.recover(digest, signature), vm.parseJsonAddress(json, ".expected.signer"), "signer");
    }

    function test_signaturesOfTheVectors() public {
        string[] memory cases = vectors("recover-");
        for (uint256 i = 0; i < cases.length; ++i) {
            string memory json = cases[i];
            // A signature of another length cannot be put in calldata: the struct is three words.
            if (vm.parseJsonBytes(json, ".input.signature").length != 65) continue;
            Signature memory signature = signatureAt(json, ".input.signature");
            if (!isRefused(json)) {
                address signer = this.recover(word(json, ".input.digest"), signature);
                assertEq(signer, vm.parseJsonAddress(json, ".expected.signer"), "signer");
                continue;
            }
            bool high =
                keccak256(bytes(vm.parseJsonString(json, ".expected.code"))) == keccak256("signature_high_s");
            // An s beyond the group order is above its half as well, and named so here.
            high = high || uint256(signature.s) > type(uint256).max >> 1;
            vm.expectRevert(
                high ? ReceiptSignature.SignatureHighS.selector : ReceiptSignature.SignatureInvalid.selector
            );
            this.recover(word(json, ".input.digest"), signature);
        }
    }

    function testFuzz_bothWaysOfHashingAgree(
        InferenceStatement memory statement,
        Proof memory proof,
        Reexecution memory reexecution,
        Revocation memory revocation
    ) public view {
        assertEq(harness.hash(statement), Digests.hash(statement), "statement");
        assertEq(harness.hash(proof), Digests.hash(proof), "proof");
        assertEq(harness.hash(reexecution), Digests.hash(reexecution), "reexecution");
        assertEq(harness.hash(revocation), Digests.hash(revocation), "revocation");
    }

    function checkTypeHash(string memory json, bytes32 typeHash) private pure {
        bytes32 expected = keccak256(bytes(vm.parseJsonString(json, ".expected.typeString")));
        assertEq(typeHash, expected, "type hash");
    }

    function checkSigned(string memory json, bytes32 digest, uint8 leafType, bytes32 keysetDigest)
        private
        view
    {
        assertEq(digest, word(json, ".expected.digest"), "digest");
        Signature memory signature = signatureAt(json, ".input.signature");
        assertEq(this.recover(digest, signature), vm.parseJsonAddress(json, ".expected.signer"), "signer");
        bytes32 leaf = harness.leaf(leafType, digest, keysetDigest, signature);
        assertEq(leaf, word(json, ".expected.leafHash"), "leaf hash");
    }

    function signatureAt(string memory json, string memory key) private pure returns (Signature memory) {
        bytes memory packed = vm.parseJsonBytes(json, key);
        (bytes32 r, bytes32 s) = abi.decode(packed, (bytes32, bytes32));
        return Signature(r, s, uint8(packed[64]));
    }
}
