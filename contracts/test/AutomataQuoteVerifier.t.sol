// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EnclaveRegistry} from "../src/EnclaveRegistry.sol";
import {LISTED_FLAG} from "../src/interfaces/IEnclaveRegistry.sol";
import {IQuoteVerifier, TcbStatus, Technology, VerifiedQuote} from "../src/interfaces/IQuoteVerifier.sol";
import {AutomataQuoteVerifier, IAutomataDcapAttestation} from "../src/quote/AutomataQuoteVerifier.sol";
import {
    TdAttributesReserved,
    TdMigratable,
    TdProfilingEnabled,
    TdServtdExtEnabled,
    TdSeptVeDisableClear
} from "../src/quote/DcapErrors.sol";
import {ReferenceValue} from "../src/registry/ReferenceValue.sol";
import {Setting} from "../src/registry/TimelockedSettings.sol";
import {Fixture} from "./support/Fixture.sol";

/// @notice Stands where Automata's contract stands and answers as it is told.
contract AutomataStandIn is IAutomataDcapAttestation {
    bool private success = true;
    bytes private head = hex"0004000200112233445566";
    uint256 private bodyBytes = 584;

    function answer(bool success_, bytes calldata head_, uint256 bodyBytes_) external {
        (success, head, bodyBytes) = (success_, head_, bodyBytes_);
    }

    function verifyAndAttestOnChain(bytes calldata rawQuote, uint32 tcbEvaluationDataNumber)
        external
        payable
        returns (bool, bytes memory)
    {
        require(tcbEvaluationDataNumber == 18);
        if (!success) return (false, "TCB out of date");
        return (true, bytes.concat(head, rawQuote[48:48 + bodyBytes], abi.encode(new string[](0))));
    }
}

contract AutomataQuoteVerifierTest is Fixture {
    AutomataStandIn private automata;
    AutomataQuoteVerifier private adapter;

    function setUp() public override {
        super.setUp();
        automata = new AutomataStandIn();
        adapter = new AutomataQuoteVerifier(automata, 18, 7 days);
    }

    function test_output() public {
        VerifiedQuote memory quote = adapter.verifyQuote(quoteOf(registers, "head"), "head");
        assertTrue(quote.technology == Technology.Tdx, "technology");
        assertEq(keccak256(quote.registers), keccak256(registers), "registers");
        assertTrue(quote.tcbStatus == TcbStatus.UpToDate, "status");
        assertEq(quote.tcbEvaluationNumber, 18, "evaluation number");
        assertEq(quote.expiresAtSeconds, block.timestamp + 7 days, "validity");
    }

    function test_statuses() public {
        TcbStatus[7] memory expected = [
            TcbStatus.UpToDate,
            TcbStatus.SWHardeningNeeded,
            TcbStatus.ConfigurationAndSWHardeningNeeded,
            TcbStatus.ConfigurationNeeded,
            TcbStatus.OutOfDate,
            TcbStatus.OutOfDateConfigurationNeeded,
            TcbStatus.Revoked
        ];
        for (uint8 i = 0; i < 7; ++i) {
            automata.answer(true, bytes.concat(hex"00040002", bytes1(i), hex"112233445566"), 584);
            VerifiedQuote memory quote = adapter.verifyQuote(quoteOf(registers, "head"), "head");
            assertTrue(quote.tcbStatus == expected[i], "status");
        }
        automata.answer(true, hex"0004000207112233445566", 584);
        vm.expectRevert(AutomataQuoteVerifier.OutputInvalid.selector);
        adapter.verifyQuote(quoteOf(registers, "head"), "head");
    }

    function test_refusals() public {
        bytes memory quote = quoteOf(registers, "head");
        vm.expectRevert(IQuoteVerifier.ReportDataMismatch.selector);
        adapter.verifyQuote(quote, "another");
        quote[48 + 120] = 0x01;
        vm.expectRevert(IQuoteVerifier.DebugEnclave.selector);
        adapter.verifyQuote(quote, "head");
        automata.answer(true, hex"0003000100112233445566", 584);
        vm.expectRevert(AutomataQuoteVerifier.OutputInvalid.selector);
        adapter.verifyQuote(quote, "head");
        automata.answer(true, hex"0004000200112233445566", 100);
        vm.expectRevert(AutomataQuoteVerifier.OutputInvalid.selector);
        adapter.verifyQuote(quote, "head");
        automata.answer(false, "", 0);
        bytes memory refused =
            abi.encodeWithSelector(AutomataQuoteVerifier.QuoteRefused.selector, bytes("TCB out of date"));
        vm.expectRevert(refused);
        adapter.verifyQuote(quote, "head");
    }

    function test_attributes() public {
        refuseAttributes(0x10, TdProfilingEnabled.selector);
        refuseAttributes(0x020000, TdServtdExtEnabled.selector);
        refuseAttributes(0x20000000, TdMigratable.selector);
        refuseAttributes(0x0100000000, TdAttributesReserved.selector);
        // SEPT_VE_DISABLE is set already.
        refuseAttributes(0x10000000, TdSeptVeDisableClear.selector);
    }

    function refuseAttributes(uint64 turned, bytes4 selector) private {
        bytes memory quote = quoteOf(registers, "head");
        for (uint256 i = 0; i < 8; ++i) {
            quote[48 + 120 + i] ^= bytes1(uint8(turned >> (8 * i)));
        }
        vm.expectRevert(selector);
        adapter.verifyQuote(quote, "head");
    }

    function test_validity() public {
        vm.expectRevert(AutomataQuoteVerifier.ValidityOutOfRange.selector);
        new AutomataQuoteVerifier(automata, 18, 0);
        vm.expectRevert(AutomataQuoteVerifier.ValidityOutOfRange.selector);
        new AutomataQuoteVerifier(automata, 18, 31 days);
    }

    function test_aKeysetEntersThroughIt() public {
        registry.propose(Setting.QuoteVerifier, bytes32(uint256(uint160(address(adapter)))));
        registry.propose(Setting.ReferenceValue, ReferenceValue.id(Technology.Tdx, registers, MASK));
        vm.warp(block.timestamp + 1 days);
        registry.adopt(Setting.QuoteVerifier, bytes32(uint256(uint160(address(adapter)))));
        registry.adopt(Setting.ReferenceValue, ReferenceValue.id(Technology.Tdx, registers, MASK));
        EnclaveRegistry.Registration memory registration =
            registrationOf(keysetText(address(0xAA), NOT_AFTER_SECONDS));
        registration.verifier = adapter;
        bytes32 digest = registry.register(registration);
        assertEq(registry.keyOf(digest).flags(), LISTED_FLAG, "listed, and no development");
        assertEq(registry.keyOf(digest).expiresAtSeconds(), block.timestamp + 7 days, "the shorter validity");
    }
}
