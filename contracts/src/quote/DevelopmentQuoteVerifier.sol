// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IQuoteVerifier, TcbStatus, Technology, VerifiedQuote} from "../interfaces/IQuoteVerifier.sol";
import {TdReport} from "./TdReport.sol";

/// @title Quotes of a simulated TEE, for development chains
/// @notice Verifies no signature: it reads a TDX quote of format 4 and vouches for nothing in it. It exists on chain ids 31337
/// and 1337 only, and all that it admits is marked `DEVELOPMENT_FLAG`.
contract DevelopmentQuoteVerifier is IQuoteVerifier {
    /// @notice This chain is not for development.
    error DevelopmentChainsOnly(uint256 chainId);
    /// @notice Not a TDX quote of format 4.
    error QuoteInvalid();

    uint256 private constant HEADER_BYTES = 48;
    /// @dev Version 4, attestation key type 2 (ECDSA P-256), TEE type 0x81, each little-endian.
    bytes8 private constant HEADER_START = 0x0400020081000000;
    uint64 private constant VALIDITY_SECONDS = 30 days;

    constructor() {
        requireDevelopmentChain();
    }

    /// @inheritdoc IQuoteVerifier
    function verifyQuote(bytes calldata quote, bytes32 reportDataHead)
        external
        view
        returns (VerifiedQuote memory)
    {
        requireDevelopmentChain();
        uint256 end = HEADER_BYTES + TdReport.BYTES;
        if (quote.length < end || bytes8(quote[:8]) != HEADER_START) revert QuoteInvalid();
        bytes calldata body = quote[HEADER_BYTES:end];
        if (TdReport.isDebug(body)) revert DebugEnclave();
        if (!TdReport.reportDataIs(body, reportDataHead)) revert ReportDataMismatch();
        return VerifiedQuote({
            technology: Technology.Development,
            registers: TdReport.registers(body),
            attributes: TdReport.attributes(body),
            tcbStatus: TcbStatus.UpToDate,
            tcbEvaluationNumber: 0,
            expiresAtSeconds: uint64(block.timestamp) + VALIDITY_SECONDS
        });
    }

    function requireDevelopmentChain() private view {
        if (block.chainid != 31337 && block.chainid != 1337) revert DevelopmentChainsOnly(block.chainid);
    }
}
