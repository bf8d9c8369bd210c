// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibString} from "solady/utils/LibString.sol";
import {CheckpointAnchor} from "../../src/CheckpointAnchor.sol";
import {EnclaveRegistry} from "../../src/EnclaveRegistry.sol";
import {Technology} from "../../src/interfaces/IQuoteVerifier.sol";
import {
    Inclusion,
    Receipt,
    Requirements,
    SignedProof,
    SignedReexecution
} from "../../src/interfaces/IReceiptVerifier.sol";
import {DevelopmentQuoteVerifier} from "../../src/quote/DevelopmentQuoteVerifier.sol";
import {ReceiptVerifier} from "../../src/ReceiptVerifier.sol";
import {InferenceStatement, Signature} from "../../src/receipts/Statements.sol";
import {KeysetText} from "../../src/registry/KeysetText.sol";
import {ReferenceValue} from "../../src/registry/ReferenceValue.sol";
import {Digests} from "./Digests.sol";
import {Test} from "./Test.sol";

/// @notice All contracts deployed, with one keyset registered by a development quote and listed.
abstract contract Fixture is Test {
    uint256 internal constant SIGNER_KEY = uint256(keccak256("a receipt key"));
    uint256 internal constant START_SECONDS = 1_800_000_000;
    uint64 internal constant NOT_AFTER_SECONDS = 1_801_000_000;
    bytes32 internal constant LOG_KEY = keccak256("a log key");
    string internal constant ORIGIN = "log.example/contracts";
    bytes32 internal constant OUTPUT_SALT = keccak256("an output salt");
    bytes internal constant OUTPUT = hex"0102030405";
    address internal constant CONSUMER = address(0xC0);
    /// @dev MRTD, RTMR0 to RTMR2.
    uint256 internal constant MASK = 0x71;

    DevelopmentQuoteVerifier internal quoteVerifier;
    EnclaveRegistry internal registry;
    CheckpointAnchor internal anchor;
    ReceiptVerifier internal verifier;
    bytes internal registers;
    bytes internal keyset;
    bytes32 internal keysetDigest;
    bytes32 internal referenceValueId;

    function setUp() public virtual {
        vm.warp(START_SECONDS);
        vm.roll(1000);
        for (uint256 i = 0; i < 12; ++i) {
            registers = bytes.concat(registers, keccak256(abi.encode("register", i)));
        }
        referenceValueId = ReferenceValue.id(Technology.Development, registers, MASK);
        quoteVerifier = new DevelopmentQuoteVerifier();
        address[] memory verifiers = new address[](1);
        verifiers[0] = address(quoteVerifier);
        bytes32[] memory values = new bytes32[](1);
        values[0] = referenceValueId;
        verifier = new ReceiptVerifier(address(this), 1 days, verifiers, values, 1, 0);
        registry = verifier;
        anchor = CheckpointAnchor(address(verifier.anchor()));
        keyset = keysetText(vm.addr(SIGNER_KEY), NOT_AFTER_SECONDS);
        keysetDigest = registry.register(registrationOf(keyset));
    }

    function keysetText(address signer, uint64 notAfterSeconds) internal pure returns (bytes memory) {
        return abi.encodePacked(
            "{\"affidavit\":{\"a\":\"0x",
            LibString.toHexStringNoPrefix(signer),
            "\",\"b\":\"",
            LibString.toHexStringNoPrefix(notAfterSeconds, 8),
            "\",\"epoch\":1,\"fhe_public_key_digests\":[],\"format\":1,\"log\":{\"origin\":\"",
            ORIGIN,
            "\",\"public_key\":\"",
            LibString.toHexStringNoPrefix(uint256(LOG_KEY), 32),
            "\"},\"measurements\":{}},\"subject\":null}"
        );
    }

    function registrationOf(bytes memory text) internal view returns (EnclaveRegistry.Registration memory) {
        uint256 blockNumber = block.number - 1;
        bytes32 head = KeysetText.reportDataHead(sha256(text), registry.nonceAt(blockNumber));
        return EnclaveRegistry.Registration(text, quoteOf(registers, head), quoteVerifier, blockNumber, MASK);
    }

    /// @dev A TDX quote of format 4 as far as the development verifier reads it, with SEPT_VE_DISABLE alone.
    function quoteOf(bytes memory registers_, bytes32 head) internal pure returns (bytes memory) {
        return abi.encodePacked(
            hex"0400020081000000",
            new bytes(40 + 123),
            hex"10",
            new bytes(12),
            registers_,
            head,
            bytes32(0),
            "auth data"
        );
    }

    function statementOf(address consumer) internal view returns (InferenceStatement memory statement) {
        statement.requestId = keccak256("request");
        statement.modelId = keccak256("model");
        statement.outputDigest = keccak256(abi.encode(OUTPUT_SALT, OUTPUT));
        statement.keysetDigest = keysetDigest;
        statement.audience = keccak256(abi.encode(block.chainid, consumer));
        statement.issuedAtMs = uint64(block.timestamp * 1000);
        statement.sequence = 1;
    }

    function receiptOf(InferenceStatement memory statement) internal pure returns (Receipt memory) {
        return receiptOf(statement, SIGNER_KEY);
    }

    function receiptOf(InferenceStatement memory statement, uint256 key)
        internal
        pure
        returns (Receipt memory receipt)
    {
        receipt.statement = statement;
        receipt.signature = sign(key, Digests.hash(statement));
        receipt.outputSalt = OUTPUT_SALT;
        receipt.encodedOutput = OUTPUT;
        receipt.proofs = new SignedProof[](0);
        receipt.reexecutions = new SignedReexecution[](0);
        receipt.inclusions = new Inclusion[](0);
    }

    function validReceipt() internal view returns (Receipt memory) {
        return receiptOf(statementOf(CONSUMER));
    }

    function nothingMore() internal pure returns (Requirements memory requirements) {}

    function sign(uint256 key, bytes32 digest) internal pure returns (Signature memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return Signature(r, s, v);
    }
}
