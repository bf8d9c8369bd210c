// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IQuoteVerifier, TcbStatus, Technology, VerifiedQuote} from "../../src/interfaces/IQuoteVerifier.sol";
import {CrlExpired} from "../../src/quote/DcapErrors.sol";
import {QuoteFixture} from "../support/QuoteFixture.sol";

contract TdxQuoteVerifierTest is QuoteFixture {
    /// @dev Up to here everything is signed by the attestation key, or signs, or is the key.
    uint256 private constant UNSIGNED_FROM = 764;

    function test_quote_isVerified() public {
        VerifiedQuote memory result = verifier.verifyQuote(quote, reportDataHead);
        vm.snapshotGasLastCall("tdx_quote");
        assertEq(uint256(result.technology), uint256(Technology.Development), "a development root");
        assertEq(uint256(result.tcbStatus), uint256(TcbStatus.UpToDate), "status");
        assertEq(result.registers.length, 384, "registers");
        assertEq(result.tcbEvaluationNumber, 17, "evaluation number");
        // 2026-06-20T00:00:00Z, nextUpdate of documents and CRLs.
        assertEq(result.expiresAtSeconds, 1_781_913_600, "expiry");
    }

    function test_otherReportData_isRefused() public {
        vm.expectRevert(IQuoteVerifier.ReportDataMismatch.selector);
        verifier.verifyQuote(quote, ~reportDataHead);
    }

    function test_expiry_isTheLastMoment() public {
        vm.warp(1_781_913_600);
        verifier.verifyQuote(quote, reportDataHead);
        vm.warp(1_781_913_601);
        vm.expectRevert(abi.encodeWithSelector(CrlExpired.selector, 1_781_913_600));
        verifier.verifyQuote(quote, reportDataHead);
    }

    function testFuzz_changedByte_isRefusedOrChangesNothing(uint256 position, uint8 mask) public view {
        position = position % quote.length;
        if (mask == 0) return;
        bytes memory changed = quote;
        changed[position] ^= bytes1(mask);
        try verifier.verifyQuote(changed, reportDataHead) returns (VerifiedQuote memory result) {
            // Nobody signed the white space of PEM, nor the type of the outer certification data.
            assertTrue(position >= UNSIGNED_FROM, "a signed byte");
            assertEq(
                keccak256(abi.encode(result)),
                keccak256(abi.encode(verifier.verifyQuote(quote, reportDataHead))),
                "the result"
            );
        } catch {}
    }

    function testFuzz_shortenedQuote_isRefused(uint256 length) public view {
        length = length % quote.length;
        bytes memory shortened = quote;
        assembly ("memory-safe") {
            mstore(shortened, length)
        }
        assertRefused(shortened);
    }

    function testFuzz_anyTail_isRefusedUnlessZero(bytes calldata tail) public view {
        bool zero = true;
        for (uint256 i = 0; i < tail.length; ++i) {
            zero = zero && tail[i] == 0;
        }
        bytes memory longer = bytes.concat(quote, tail);
        if (zero) verifier.verifyQuote(longer, reportDataHead);
        else assertRefused(longer);
    }

    function testFuzz_anyBytes_areRefused(bytes calldata anything, uint256 prefix) public view {
        // The header of a quote, so that more than its first check is reached.
        bytes memory start = quote;
        prefix = prefix % start.length;
        assembly ("memory-safe") {
            mstore(start, prefix)
        }
        bytes memory forged = bytes.concat(start, anything);
        if (keccak256(forged) != keccak256(quote)) assertRefusedOrPadded(forged);
    }

    function assertRefusedOrPadded(bytes memory forged) private view {
        try verifier.verifyQuote(forged, reportDataHead) {
            assertTrue(forged.length >= quote.length, "nothing but padding or white space differs");
        } catch {}
    }

    function assertRefused(bytes memory forged) private view {
        try verifier.verifyQuote(forged, reportDataHead) {
            assertTrue(false, "accepted");
        } catch {}
    }
}
