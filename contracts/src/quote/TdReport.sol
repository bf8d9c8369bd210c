// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

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
    /// @dev Bit 0 of the TD attributes' first byte: the host can look into the guest.
    bytes1 private constant DEBUG = 0x01;

    /// @return attributes TD attributes ‖ XFAM, 8 bytes each, as they stand
    function attributes(bytes calldata body) internal pure returns (bytes16) {
        if (body.length != BYTES) revert TdReportInvalid();
        return bytes16(body[ATTRIBUTES:REGISTERS]);
    }

    function isDebug(bytes calldata body) internal pure returns (bool) {
        return attributes(body)[0] & DEBUG != 0;
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
