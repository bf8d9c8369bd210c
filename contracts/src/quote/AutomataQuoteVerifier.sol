// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IQuoteVerifier, TcbStatus, Technology, VerifiedQuote} from "../interfaces/IQuoteVerifier.sol";
import {TdReport} from "./TdReport.sol";

/// @notice The part of Automata's DCAP attestation entry point (v1.1) that is used. Only calls that name their TCB
/// evaluation data number are made.
interface IAutomataDcapAttestation {
    /// @return success whether the quote verified
    /// @return output uint16 quote version ‖ uint16 quote body type ‖ uint8 TCB status ‖ bytes6 FMSPC ‖ quote body ‖
    /// abi.encode(advisory ids), big-endian; the reason as text where `success` is false
    function verifyAndAttestOnChain(bytes calldata rawQuote, uint32 tcbEvaluationDataNumber)
        external
        payable
        returns (bool success, bytes memory output);
}

/// @title Quotes verified by Automata's contracts
/// @notice For chains on which Automata keeps Intel's collateral. The output names no `nextUpdate`: what enters through this
/// verifier is renewed after `validitySeconds` at the latest. Quotes of format 4 with the body of TDX 1.0, whose attributes are
/// held to the same rules as those of `TdxQuoteVerifier`.
contract AutomataQuoteVerifier is IQuoteVerifier {
    /// @notice Automata's contract refused the quote.
    error QuoteRefused(bytes reason);
    /// @notice The output is not of the layout of v1.1, of format 4 and of TDX 1.0.
    error OutputInvalid();
    /// @notice `validitySeconds` is 0 or above thirty days.
    error ValidityOutOfRange();

    uint256 private constant BODY = 11;
    /// @dev Quote version 4, body type 2 (TD report 1.0).
    bytes4 private constant OUTPUT_START = 0x00040002;

    IAutomataDcapAttestation public immutable attestation;
    /// @notice The TCB evaluation data number that every quote is held against.
    uint32 public immutable tcbEvaluationNumber;
    uint64 public immutable validitySeconds;

    constructor(IAutomataDcapAttestation attestation_, uint32 tcbEvaluationNumber_, uint64 validitySeconds_) {
        if (validitySeconds_ == 0 || validitySeconds_ > 30 days) revert ValidityOutOfRange();
        attestation = attestation_;
        tcbEvaluationNumber = tcbEvaluationNumber_;
        validitySeconds = validitySeconds_;
    }

    /// @inheritdoc IQuoteVerifier
    function verifyQuote(bytes calldata quote, bytes32 reportDataHead)
        external
        returns (VerifiedQuote memory)
    {
        (bool success, bytes memory output) = attestation.verifyAndAttestOnChain(quote, tcbEvaluationNumber);
        if (!success) revert QuoteRefused(output);
        return this.read(output, reportDataHead);
    }

    /// @notice Output of v1.1 to a verified quote; what it says is only as good as who gave it.
    function read(bytes calldata output, bytes32 reportDataHead)
        external
        view
        returns (VerifiedQuote memory)
    {
        if (output.length < BODY + TdReport.BYTES || bytes4(output[:4]) != OUTPUT_START) revert OutputInvalid();
        bytes calldata body = output[BODY:BODY + TdReport.BYTES];
        TdReport.checkAttributes(body);
        if (!TdReport.reportDataIs(body, reportDataHead)) revert ReportDataMismatch();
        return VerifiedQuote({
            technology: Technology.Tdx,
            registers: TdReport.registers(body),
            attributes: TdReport.attributes(body),
            tcbStatus: status(uint8(output[4])),
            tcbEvaluationNumber: tcbEvaluationNumber,
            expiresAtSeconds: uint64(block.timestamp) + validitySeconds
        });
    }

    /// @dev Automata's order: OK, SWHardening, ConfigurationAndSWHardening, Configuration, OutOfDate,
    /// OutOfDateConfiguration, Revoked, Unrecognized.
    function status(uint8 value) private pure returns (TcbStatus) {
        if (value == 0) return TcbStatus.UpToDate;
        if (value == 1) return TcbStatus.SWHardeningNeeded;
        if (value == 2) return TcbStatus.ConfigurationAndSWHardeningNeeded;
        if (value == 3) return TcbStatus.ConfigurationNeeded;
        if (value == 4) return TcbStatus.OutOfDate;
        if (value == 5) return TcbStatus.OutOfDateConfigurationNeeded;
        if (value == 6) return TcbStatus.Revoked;
        revert OutputInvalid();
    }
}
