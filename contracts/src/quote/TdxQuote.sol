// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "./DcapErrors.sol";

/// @title TDX quotes of format 4 (Intel TDX DCAP quoting library API, appendix "TDX quote format")
/// @notice Integers are little-endian. Offsets of what stands at a fixed place:
///
/// | offset | bytes | field |
/// | -----: | ----: | ----- |
/// | 0 | 48 | header |
/// | 48 | 584 | TD report (TD 1.0): TEE_TCB_SVN 16, MRSEAM 48, MRSIGNERSEAM 48, SEAMATTRIBUTES 8, TDATTRIBUTES 8, XFAM 8, MRTD 48, MRCONFIGID 48, MROWNER 48, MROWNERCONFIG 48, RTMR0 to RTMR3 48 each, REPORTDATA 64 |
/// | 632 | 4 | length of the rest |
/// | 636 | 64 | signature r ‖ s by the attestation key over bytes 0 to 631 |
/// | 700 | 64 | attestation key x ‖ y |
/// | 764 | 6 | certification data: type 2, size 4 |
/// | 770 | 384 | QE report |
/// | 1154 | 64 | its signature r ‖ s by the PCK |
/// | 1218 | 2 | length of the QE's authentication data, which follow; then certification data of type 5, the PCK chain in PEM |
library TdxQuote {
    uint256 internal constant BODY = 48;
    uint256 internal constant TEE_TCB_SVN = BODY;
    uint256 internal constant MR_SIGNER_SEAM = BODY + 64;
    uint256 internal constant SEAM_ATTRIBUTES = BODY + 112;
    uint256 internal constant TD_ATTRIBUTES = BODY + 120;
    uint256 internal constant REPORT_DATA = BODY + 520;
    uint256 internal constant SIGNED_BYTES = 632;
    uint256 internal constant SIGNATURE = 636;
    uint256 internal constant ATTESTATION_KEY = 700;
    uint256 internal constant QE_REPORT = 770;
    uint256 internal constant QE_REPORT_BYTES = 384;
    uint256 internal constant QE_SIGNATURE = 1154;
    uint256 private constant QE_AUTH_DATA = 1220;

    // In an SGX enclave report.
    uint256 internal constant QE_MISC_SELECT = QE_REPORT + 16;
    uint256 internal constant QE_ATTRIBUTES = QE_REPORT + 48;
    uint256 internal constant QE_MR_SIGNER = QE_REPORT + 128;
    uint256 internal constant QE_ISV_PROD_ID = QE_REPORT + 256;
    uint256 internal constant QE_ISV_SVN = QE_REPORT + 258;
    uint256 internal constant QE_REPORT_DATA = QE_REPORT + 320;

    uint256 private constant MAX_BYTES = 65_536;
    /// @dev Intel's quoting enclaves, 939a7233-f79c-4ca9-940a-0db3957f0607.
    bytes16 private constant INTEL_VENDOR = 0x939a7233f79c4ca9940a0db3957f0607;

    /// @notice Checks a quote's format, each length exactly; after its end only zero bytes may stand, as TDX guests hand out
    /// fixed buffers.
    /// @return authData the QE's authentication data
    /// @return pckChain the PCK chain in PEM
    function parse(bytes calldata quote)
        internal
        pure
        returns (bytes calldata authData, bytes calldata pckChain)
    {
        if (quote.length > MAX_BYTES) revert QuoteMalformed();
        checkHeader(quote);
        if (quote.length < QE_AUTH_DATA) revert QuoteTruncated();
        uint256 end = SIGNATURE + uint32At(quote, SIGNED_BYTES);
        if (end > quote.length) revert QuoteTruncated();
        checkTrailing(quote, end);
        checkEnd(QE_REPORT + uint32At(quote, 766), end);
        uint256 outerType = uint16At(quote, 764);
        // 6 is its type, but 5 stands there in quotes of some generators, unsigned either way.
        if (outerType != 6 && outerType != 5) revert QuoteCertificationUnsupported(outerType);
        uint256 chain = QE_AUTH_DATA + uint16At(quote, 1218) + 6;
        if (chain > end) revert QuoteTruncated();
        checkEnd(chain + uint32At(quote, chain - 4), end);
        uint256 innerType = uint16At(quote, chain - 6);
        if (innerType == 3) revert PckChainMissing();
        if (innerType != 5) revert QuoteCertificationUnsupported(innerType);
        return (quote[QE_AUTH_DATA:chain - 6], quote[chain:end]);
    }

    function checkHeader(bytes calldata quote) private pure {
        if (quote.length < BODY) revert QuoteTruncated();
        uint256 version = uint16At(quote, 0);
        if (version != 4) revert QuoteVersionUnsupported(version);
        uint256 keyType = uint16At(quote, 2);
        if (keyType != 2) revert QuoteKeyTypeUnsupported(keyType);
        uint256 teeType = uint32At(quote, 4);
        if (teeType != 0x81) revert QuoteTeeTypeUnsupported(teeType);
        bytes16 vendor = bytes16(quote[12:28]);
        if (vendor != INTEL_VENDOR) revert QuoteVendorUnknown(vendor);
    }

    function checkEnd(uint256 found, uint256 expected) private pure {
        if (found > expected) revert QuoteTruncated();
        if (found < expected) revert QuoteMalformed();
    }

    function checkTrailing(bytes calldata quote, uint256 end) private pure {
        unchecked {
            // A word that reaches beyond the quote has that part shifted out.
            for (; end < quote.length; end += 32) {
                uint256 left = quote.length - end;
                uint256 word = uint256(wordAt(quote, end));
                if (left < 32) word >>= 8 * (32 - left);
                if (word != 0) revert QuoteTrailingBytes();
            }
        }
    }

    /// @notice 32 bytes at an offset, which the caller knows to be inside the quote.
    function wordAt(bytes calldata quote, uint256 offset) internal pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(add(quote.offset, offset))
        }
    }

    function uint16At(bytes calldata quote, uint256 offset) internal pure returns (uint256) {
        uint256 word = uint256(wordAt(quote, offset));
        return (word >> 248) | ((word >> 232) & 0xff00);
    }

    function uint32At(bytes calldata quote, uint256 offset) internal pure returns (uint256) {
        return uint16At(quote, offset) | (uint16At(quote, offset + 2) << 16);
    }
}
