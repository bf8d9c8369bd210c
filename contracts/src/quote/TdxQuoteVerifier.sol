// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {IQuoteVerifier, TcbStatus, Technology, VerifiedQuote} from "../interfaces/IQuoteVerifier.sol";
import "./DcapErrors.sol";
import {IDcapCollateral, PlatformCollateral} from "./IDcapCollateral.sol";
import {QeIdentity, TcbInfo} from "./IntelDocuments.sol";
import {P256Verification} from "./P256Verification.sol";
import {PckExtension} from "./PckExtension.sol";
import {Pem} from "./Pem.sol";
import {TcbEvaluation} from "./TcbEvaluation.sol";
import {TdReport} from "./TdReport.sol";
import {TdxQuote} from "./TdxQuote.sol";
import {X509} from "./X509.sol";

/// @title Verifies whole TDX quotes of format 4 on chain
/// @notice From the quote's signature to the pinned root, as docs/spec/appraisal-dcap.md has it off chain; collateral comes from
/// a registry that verified it when it was posted. Which code, status and age are acceptable is the caller's to decide, but
/// for debug, attributes that weaken a TD, and revoked platforms, which are refused. What it says is worth what the registry
/// is that it asks: whoever relies on it looks at `COLLATERAL` first.
contract TdxQuoteVerifier is P256Verification, IQuoteVerifier {
    using X509 for X509.Certificate;

    IDcapCollateral public immutable COLLATERAL;
    bytes32 private immutable ROOT_ID;
    bytes32 private immutable PCK_NAME;
    Technology private immutable TECHNOLOGY;

    constructor(IDcapCollateral collateral) {
        COLLATERAL = collateral;
        ROOT_ID = collateral.ROOT_ID();
        PCK_NAME = collateral.PCK_NAME();
        TECHNOLOGY = collateral.IS_INTEL() ? Technology.Tdx : Technology.Development;
    }

    /// @inheritdoc IQuoteVerifier
    /// @dev Keeps nothing, so that it can be called for nothing: the authority's certificate was verified when it was posted.
    function verifyQuote(bytes calldata quote, bytes32 reportDataHead)
        external
        view
        returns (VerifiedQuote memory result)
    {
        result = verifyAll(quote);
        if (!TdReport.reportDataIs(bodyOf(quote), reportDataHead)) revert ReportDataMismatch();
    }

    /// @notice The same for quotes whose report data has another form.
    /// @return result what the quote says
    /// @return reportData its 64 bytes, which the caller has to compare: a quote over other data vouches for somebody else
    function verifyAnyReportData(bytes calldata quote)
        external
        view
        returns (VerifiedQuote memory result, bytes memory reportData)
    {
        return (verifyAll(quote), quote[TdxQuote.REPORT_DATA:TdxQuote.SIGNED_BYTES]);
    }

    function bodyOf(bytes calldata quote) private pure returns (bytes calldata) {
        return quote[TdxQuote.BODY:TdxQuote.SIGNED_BYTES];
    }

    function verifyAll(bytes calldata quote) private view returns (VerifiedQuote memory result) {
        (bytes calldata authData, bytes calldata pckChain) = TdxQuote.parse(quote);
        (X509.Certificate memory pck, bytes32 issuerId) = readChain(pckChain);
        PckExtension.Platform memory platform = PckExtension.parse(pck.sgxExtension);
        PlatformCollateral memory collateral = collateralFor(issuerId, pck.serial, platform);
        checkPck(pck, collateral);
        checkQeReport(quote, authData, pck);
        result.tcbStatus = checkQe(quote, collateral.qeIdentity);
        checkSignature(quote);
        result.tcbStatus =
            TcbEvaluation.merge(checkTcb(quote, platform, collateral.tcbInfo), result.tcbStatus);
        if (result.tcbStatus == TcbStatus.Revoked) revert TcbRevoked();
        TdReport.checkAttributes(bodyOf(quote));
        result.technology = TECHNOLOGY;
        result.registers = TdReport.registers(bodyOf(quote));
        result.attributes = TdReport.attributes(bodyOf(quote));
        result.tcbEvaluationNumber = collateral.evaluationNumber;
        uint40 until = collateral.expiresAtSeconds;
        result.expiresAtSeconds = pck.notAfter < until ? pck.notAfter : until;
    }

    function collateralFor(bytes32 issuerId, uint160 serial, PckExtension.Platform memory platform)
        private
        view
        returns (PlatformCollateral memory)
    {
        bytes8 platformId = bytes8(platform.fmspc) | (bytes8(platform.pceId) >> 48);
        return COLLATERAL.collateralOf(issuerId, serial, platformId);
    }

    /// @dev The PCK certificate and who issued it: the chain is leaf, authority, root, where the authority may be the root
    /// and a last root may be left out.
    function readChain(bytes calldata pckChain)
        private
        view
        returns (X509.Certificate memory pck, bytes32 issuerId)
    {
        bytes[] memory blocks = Pem.split(pckChain);
        if (blocks.length < 2) revert PckChainLength(blocks.length);
        if (blocks.length == 3 && Pem.idOf(blocks[2]) != ROOT_ID) revert CertificateUntrustedRoot();
        issuerId = Pem.idOf(blocks[1]);
        pck = X509.parse(Pem.decode(blocks[0]));
        if (pck.ca) revert CertificateCaAsLeaf();
    }

    function checkPck(X509.Certificate memory pck, PlatformCollateral memory collateral) private view {
        if (pck.issuer != collateral.issuerSubject) revert CertificateIssuerMismatch();
        X509.checkDates(pck.notBefore, pck.notAfter);
        if (pck.keyUsage & X509.DIGITAL_SIGNATURE == 0) revert CertificateKeyUsage();
        if (PCK_NAME != 0 && !pck.hasCommonName(PCK_NAME)) revert CertificateSubjectUnexpected();
        bool valid = verifyP256(pck.tbsDigest, pck.r, pck.s, collateral.issuerX, collateral.issuerY);
        if (!valid) revert CertificateSignatureInvalid();
    }

    /// @dev That the PCK signed the QE report, and that it carries SHA-256 of attestation key and authentication data, then zeros.
    function checkQeReport(bytes calldata quote, bytes calldata authData, X509.Certificate memory pck)
        private
        view
    {
        bytes32 digest = sha256(quote[TdxQuote.QE_REPORT:TdxQuote.QE_SIGNATURE]);
        if (!verifyAt(quote, TdxQuote.QE_SIGNATURE, digest, pck.x, pck.y)) {
            revert QeReportSignatureInvalid();
        }
        bytes calldata key = quote[TdxQuote.ATTESTATION_KEY:TdxQuote.ATTESTATION_KEY + 64];
        bytes32 expected = sha256(abi.encodePacked(key, authData));
        bool holds = TdxQuote.wordAt(quote, TdxQuote.QE_REPORT_DATA) == expected
            && TdxQuote.wordAt(quote, TdxQuote.QE_REPORT_DATA + 32) == 0;
        if (!holds) revert QeReportDataMismatch();
    }

    function checkQe(bytes calldata quote, address pointer) private view returns (TcbStatus) {
        QeIdentity memory identity = abi.decode(SSTORE2.read(pointer), (QeIdentity));
        bytes16 attributes = bytes16(TdxQuote.wordAt(quote, TdxQuote.QE_ATTRIBUTES));
        if (uint8(attributes[0]) & 2 != 0) revert QeDebug();
        uint256 miscSelect = TdxQuote.uint32At(quote, TdxQuote.QE_MISC_SELECT);
        if (miscSelect & identity.miscSelectMask != identity.miscSelect) revert QeMiscselectMismatch();
        if (attributes & identity.attributesMask != identity.attributes) revert QeAttributesMismatch();
        if (TdxQuote.wordAt(quote, TdxQuote.QE_MR_SIGNER) != identity.mrSigner) revert QeMrsignerMismatch();
        uint256 isvProdId = TdxQuote.uint16At(quote, TdxQuote.QE_ISV_PROD_ID);
        if (isvProdId != identity.isvProdId) revert QeIsvprodidMismatch();
        uint256 isvSvn = TdxQuote.uint16At(quote, TdxQuote.QE_ISV_SVN);
        (bool found, TcbStatus status) = TcbEvaluation.isvStatus(identity.levels, isvSvn);
        if (!found) revert QeTcbNotFound();
        return status;
    }

    function checkSignature(bytes calldata quote) private view {
        uint256 x = uint256(TdxQuote.wordAt(quote, TdxQuote.ATTESTATION_KEY));
        uint256 y = uint256(TdxQuote.wordAt(quote, TdxQuote.ATTESTATION_KEY + 32));
        bytes32 digest = sha256(quote[:TdxQuote.SIGNED_BYTES]);
        if (!verifyAt(quote, TdxQuote.SIGNATURE, digest, x, y)) revert QuoteSignatureInvalid();
    }

    /// @dev Whether r ‖ s at an offset of the quote is the signature of (x, y).
    function verifyAt(bytes calldata quote, uint256 offset, bytes32 digest, uint256 x, uint256 y)
        private
        view
        returns (bool)
    {
        uint256 r = uint256(TdxQuote.wordAt(quote, offset));
        uint256 s = uint256(TdxQuote.wordAt(quote, offset + 32));
        return verifyP256(digest, r, s, x, y);
    }

    function checkTcb(bytes calldata quote, PckExtension.Platform memory platform, address pointer)
        private
        view
        returns (TcbStatus)
    {
        TcbInfo memory info = abi.decode(SSTORE2.read(pointer), (TcbInfo));
        bytes16 teeTcbSvn = bytes16(TdxQuote.wordAt(quote, TdxQuote.TEE_TCB_SVN));
        bytes32 svns = bytes32(platform.cpuSvn) | (bytes32(teeTcbSvn) >> 128);
        TcbStatus status = TcbEvaluation.platformStatus(info, svns, platform.pceSvn);
        bytes32 mrSigner = keccak256(quote[TdxQuote.MR_SIGNER_SEAM:TdxQuote.SEAM_ATTRIBUTES]);
        bytes8 seamAttributes = bytes8(TdxQuote.wordAt(quote, TdxQuote.SEAM_ATTRIBUTES));
        uint256 minor = uint8(teeTcbSvn[0]);
        uint256 major = uint8(teeTcbSvn[1]);
        return
            TcbEvaluation.merge(
                status, TcbEvaluation.moduleStatus(info, minor, major, mrSigner, seamAttributes)
            );
    }
}
