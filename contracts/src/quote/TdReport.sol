// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import "./DcapErrors.sol";
import {TdxQuote} from "./TdxQuote.sol";

/// @title The body of a TDX quote
/// @notice TD report of quote format 4, 584 bytes, little-endian (Intel TDX DCAP quoting library API, appendix A.3.2). Reading
/// it trusts nothing.
library TdReport {
    /// @notice The bytes are no TD report.
    error TdReportInvalid();

    uint256 internal constant BYTES = 584;
    uint256 private constant ATTRIBUTES = 120;
    uint256 private constant REGISTERS = 136;
    uint256 private constant REPORT_DATA = 520;
    /// @dev The host can look into the guest.
    uint256 private constant DEBUG = 1 << 0;
    /// @dev TD attributes (TDX module ABI, TD_ATTRIBUTES) that weaken nothing: ICSSD, those that TDX 1.5 added, LASS,
    /// SEPT_VE_DISABLE, PKS, KL, TPA, PERFMON: bits 16, 18 to 22, 27, 28, 30, 31, 62, 63.
    uint256 private constant ACCEPTED_ATTRIBUTES = 0xc0000000d87d0000;
    uint256 private constant PROFILING = 7 << 4;
    uint256 private constant SERVTD_EXT = 1 << 17;
    uint256 private constant SEPT_VE_DISABLE = 1 << 28;
    uint256 private constant MIGRATABLE = 1 << 29;

    /// @return attributes TD attributes ‖ XFAM, 8 bytes each, as they stand
    function attributes(bytes calldata body) internal pure returns (bytes16) {
        if (body.length != BYTES) revert TdReportInvalid();
        return bytes16(body[ATTRIBUTES:REGISTERS]);
    }

    function isDebug(bytes calldata body) internal pure returns (bool) {
        return uint8(attributes(body)[0]) & DEBUG != 0;
    }

    /// @notice Refuses TDs that somebody else can look into, measure, move or confuse, and attributes of no known meaning.
    function checkAttributes(bytes calldata body) internal pure {
        if (body.length != BYTES) revert TdReportInvalid();
        uint256 low = TdxQuote.uint32At(body, ATTRIBUTES);
        uint256 bits = low | (TdxQuote.uint32At(body, ATTRIBUTES + 4) << 32);
        if (bits & DEBUG != 0) revert IQuoteVerifier.DebugEnclave();
        if (bits & PROFILING != 0) revert TdProfilingEnabled();
        if (bits & SERVTD_EXT != 0) revert TdServtdExtEnabled();
        if (bits & MIGRATABLE != 0) revert TdMigratable();
        if (bits & ~ACCEPTED_ATTRIBUTES != 0) revert TdAttributesReserved();
        if (bits & SEPT_VE_DISABLE == 0) revert TdSeptVeDisableClear();
    }

    /// @return MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG, RTMR0 to RTMR3: 8 x 48 bytes
    function registers(bytes calldata body) internal pure returns (bytes memory) {
        if (body.length != BYTES) revert TdReportInvalid();
        return body[REGISTERS:REPORT_DATA];
    }

    /// @return whether the report data is `head` ‖ 32 zero bytes
    function reportDataIs(bytes calldata body, bytes32 head) internal pure returns (bool) {
        if (body.length != BYTES) revert TdReportInvalid();
        return bytes32(body[REPORT_DATA:REPORT_DATA + 32]) == head && bytes32(body[REPORT_DATA + 32:]) == 0;
    }
}
