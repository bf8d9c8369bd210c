// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice How current the platform's firmware is, in the order of Intel's PCS API v4. Technologies without such levels
/// report `UpToDate` or revert.
enum TcbStatus {
    UpToDate,
    SWHardeningNeeded,
    ConfigurationNeeded,
    ConfigurationAndSWHardeningNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,
    Revoked
}

/// @notice What the maker of a quote names itself: registers of one technology never match those of another.
enum Technology {
    None,
    Tdx,
    SevSnp,
    Nitro,
    Development
}

/// @notice What a genuine quote says. Nothing in it has been appraised: which code, which status and which age are
/// acceptable is for the caller (`EnclaveRegistry`) to decide.
/// @param technology the maker of the quote
/// @param registers measurements, 48 bytes each, concatenated. TDX, 8 x 48 = 384 bytes: MRTD, MRCONFIGID, MROWNER,
/// MROWNERCONFIG, RTMR0, RTMR1, RTMR2, RTMR3 (TDX module ABI, TDREPORT)
/// @param attributes TDX: TD attributes (8 bytes, as in the quote) and XFAM (8 bytes, as in the quote); the verifier has
/// refused debug and unknown bits already
/// @param tcbStatus the worse of the platform's, the module's and the quoting enclave's status
/// @param tcbEvaluationNumber `tcbEvaluationDataNumber` of the TCB info that was used; the lower of TCB info and QE identity
/// @param expiresAtSeconds Unix time in seconds at which the first of collateral (`nextUpdate`) and certificates (`notAfter`)
/// ends
struct VerifiedQuote {
    Technology technology;
    bytes registers;
    bytes16 attributes;
    TcbStatus tcbStatus;
    uint32 tcbEvaluationNumber;
    uint64 expiresAtSeconds;
}

/// @notice Verifies one technology's quotes against the hardware maker's root.
interface IQuoteVerifier {
    /// @notice The quote's report data is not `reportDataHead` ‖ 32 zero bytes.
    error ReportDataMismatch();
    /// @notice The quote is of an enclave that its operator can look into.
    error DebugEnclave();

    /// @notice Reverts unless `quote` is genuine now (`block.timestamp`) and its 64 bytes of report data are `reportDataHead`
    /// followed by 32 zero bytes (docs/spec/receipt.md). May write caches of certificates that it verified.
    /// @param quote the whole quote as the device gave it; after its end only zero bytes may stand
    /// @param reportDataHead SHA-256 of the ACI attestation statement
    function verifyQuote(bytes calldata quote, bytes32 reportDataHead) external returns (VerifiedQuote memory);
}
