// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {Crl} from "./Crl.sol";
import "./DcapErrors.sol";
import {IDcapCollateral, PlatformCollateral} from "./IDcapCollateral.sol";
import {Dated, IntelDocuments} from "./IntelDocuments.sol";
import {P256Verification} from "./P256Verification.sol";
import {Pem} from "./Pem.sol";
import {X509} from "./X509.sol";

/// @title Intel's collateral for TDX quotes, kept on chain
/// @notice Anyone may post; what is kept was signed under the pinned root, is in date when it comes, and replaces nothing
/// newer: evaluation data numbers and CRL numbers never decrease. Post in this order: root CRL, certificates, PCK CRL, TCB info
/// and QE identity. Nobody owns this contract and nothing in it can be taken back.
contract DcapCollateral is P256Verification, IDcapCollateral {
    using X509 for X509.Certificate;

    enum Role {
        None,
        Root,
        PckAuthority,
        TcbSigner
    }

    /// @param subject keccak256 of the DER of the subject's Name
    struct CertificateRecord {
        uint256 x;
        uint256 y;
        bytes32 subject;
        uint160 serial;
        uint40 notBefore;
        uint40 notAfter;
        Role role;
    }

    /// @param serials code pointer to the revoked serial numbers, or 0 where there are none
    /// @param nextUpdate 0 where there is no CRL
    struct CrlRecord {
        address serials;
        uint40 thisUpdate;
        uint40 nextUpdate;
        uint160 number;
    }

    /// @param data code pointer to the parsed document, or 0 where there is none
    struct DocumentRecord {
        address data;
        uint40 issueDate;
        uint40 nextUpdate;
        uint32 evaluationNumber;
        bytes32 signerId;
    }

    event CertificatePosted(bytes32 indexed id, Role role);
    event CrlPosted(bytes32 indexed authorityId, uint160 number, uint40 nextUpdate);
    event TcbInfoPosted(bytes8 indexed platform, uint32 evaluationNumber, uint40 nextUpdate);
    event QeIdentityPosted(uint32 evaluationNumber, uint40 nextUpdate);

    /// @dev SHA-256 of Intel SGX Root CA, which Intel publishes as Intel_SGX_Provisioning_Certification_RootCA.cer.
    bytes32 private constant INTEL_ROOT = 0x44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3;

    bytes32 public immutable ROOT_ID;
    bool public immutable IS_INTEL;
    bytes32 public immutable PCK_NAME;
    /// @notice keccak256 of the common name of those who sign TCB info and QE identities, or 0 where any name will do.
    bytes32 public immutable TCB_SIGNER_NAME;
    bool private immutable ROOT_MAY_HAVE_AUTHORITIES;
    IntelDocuments private immutable DOCUMENTS = new IntelDocuments();

    /// @notice By `Pem.idOf`.
    mapping(bytes32 id => CertificateRecord) public certificates;
    /// @notice By `authorityOf`: a CRL covers what a name and key issued, whichever certificate of it is shown.
    mapping(bytes32 authority => CrlRecord) public crls;
    /// @notice By FMSPC and PCE id.
    mapping(bytes8 platform => DocumentRecord) public tcbInfos;
    DocumentRecord public qeIdentity;

    /// @param rootDer Intel's root; on chains 31337 and 1337 another may stand
    /// @param tcbSignerName common name that the root's signers of documents must have; empty: any. Not read under Intel's root
    /// @param pckName the same of PCK certificates
    constructor(bytes memory rootDer, string memory tcbSignerName, string memory pckName) {
        IS_INTEL = sha256(rootDer) == INTEL_ROOT;
        if (!IS_INTEL && block.chainid != 31_337 && block.chainid != 1337) {
            revert DevelopmentRootRefused(block.chainid);
        }
        TCB_SIGNER_NAME = IS_INTEL ? keccak256("Intel SGX TCB Signing") : nameHash(tcbSignerName);
        PCK_NAME = IS_INTEL ? keccak256("Intel SGX PCK Certificate") : nameHash(pckName);
        X509.Certificate memory root = X509.parse(rootDer);
        if (root.issuer != root.subject) revert CertificateIssuerMismatch();
        checkAuthority(root);
        if (!verifyP256(root.tbsDigest, root.r, root.s, root.x, root.y)) {
            revert CertificateSignatureInvalid();
        }
        ROOT_MAY_HAVE_AUTHORITIES = root.pathLength > 0;
        ROOT_ID = Pem.idOfDer(rootDer);
        certificates[ROOT_ID] = recordOf(root, Role.Root);
        emit CertificatePosted(ROOT_ID, Role.Root);
    }

    function nameHash(string memory name) private pure returns (bytes32) {
        return bytes(name).length == 0 ? bytes32(0) : keccak256(bytes(name));
    }

    function recordOf(X509.Certificate memory certificate, Role role)
        private
        pure
        returns (CertificateRecord memory)
    {
        return CertificateRecord({
            x: certificate.x,
            y: certificate.y,
            subject: certificate.subject,
            serial: certificate.serial,
            notBefore: certificate.notBefore,
            notAfter: certificate.notAfter,
            role: role
        });
    }

    function checkAuthority(X509.Certificate memory certificate) private pure {
        if (!certificate.ca) revert CertificateNotCa();
        uint256 wanted = X509.KEY_CERT_SIGN | X509.CRL_SIGN;
        if (certificate.keyUsage & wanted != wanted) revert CertificateKeyUsage();
    }

    /// @notice What a CRL belongs to: a name and a key.
    function authorityOf(bytes32 certificateId) public view returns (bytes32) {
        CertificateRecord storage certificate = certificates[certificateId];
        return keccak256(abi.encode(certificate.subject, certificate.x, certificate.y));
    }

    /// @notice A certificate that the root issued: an authority for PCK certificates, or a signer of documents. The root's CRL
    /// must be there.
    /// @return id `Pem.idOf` of it
    function postCertificate(bytes calldata der) external returns (bytes32 id) {
        id = Pem.idOfDer(der);
        if (certificates[id].role != Role.None) return id;
        X509.Certificate memory certificate = X509.parse(der);
        CertificateRecord storage root = certificates[ROOT_ID];
        if (certificate.issuer != root.subject) revert CertificateIssuerMismatch();
        X509.checkDates(root.notBefore, root.notAfter);
        X509.checkDates(certificate.notBefore, certificate.notAfter);
        if (certificate.ca) {
            if (!ROOT_MAY_HAVE_AUTHORITIES) revert CertificatePathLength();
            checkAuthority(certificate);
        } else {
            if (certificate.keyUsage & X509.DIGITAL_SIGNATURE == 0) revert CertificateKeyUsage();
            if (TCB_SIGNER_NAME != 0 && !certificate.hasCommonName(TCB_SIGNER_NAME)) {
                revert CertificateSubjectUnexpected();
            }
        }
        bool valid = verifyP256(certificate.tbsDigest, certificate.r, certificate.s, root.x, root.y);
        if (!valid) revert CertificateSignatureInvalid();
        checkCrl(authorityOf(ROOT_ID), certificate.serial);
        Role role = certificate.ca ? Role.PckAuthority : Role.TcbSigner;
        certificates[id] = recordOf(certificate, role);
        emit CertificatePosted(id, role);
    }

    /// @notice The CRL of the root or of an authority that is here already.
    /// @param der version 2, complete, with a nextUpdate
    function postCrl(bytes32 authorityId, bytes calldata der) external {
        CertificateRecord storage authority = certificates[authorityId];
        if (authority.role != Role.Root && authority.role != Role.PckAuthority) revert CertificateNotCa();
        Crl.Parsed memory crl = Crl.parse(der);
        if (crl.issuer != authority.subject) revert CrlIssuerMismatch();
        if (!verifyP256(crl.tbsDigest, crl.r, crl.s, authority.x, authority.y)) {
            revert CrlSignatureInvalid();
        }
        if (block.timestamp < crl.thisUpdate) revert CrlNotYetValid(crl.thisUpdate);
        if (block.timestamp > crl.nextUpdate) revert CrlExpired(crl.nextUpdate);
        bytes32 key = authorityOf(authorityId);
        CrlRecord storage known = crls[key];
        // Intel gives every CRL the number 1, so that its date has to tell which is newer.
        if (crl.number < known.number || crl.thisUpdate < known.thisUpdate) revert CrlOlder();
        if (Crl.isRevoked(crl.serials, authority.serial)) revert CertificateRevoked(authority.serial);
        address serials = crl.serials.length == 0 ? address(0) : SSTORE2.write(crl.serials);
        crls[key] = CrlRecord(serials, crl.thisUpdate, crl.nextUpdate, crl.number);
        emit CrlPosted(authorityId, crl.number, crl.nextUpdate);
    }

    /// @notice TCB info of a TDX platform.
    /// @param document the exact text that is signed: the value of `tcbInfo` in Intel's answer
    /// @param signerId `Pem.idOf` of a signer that is here already
    function postTcbInfo(bytes calldata document, bytes32 r, bytes32 s, bytes32 signerId) external {
        if (!verifyDocument(document, r, s, signerId)) revert TcbInfoSignatureInvalid();
        (Dated memory dated, bytes memory encoded) = DOCUMENTS.parseTcbInfo(document);
        if (block.timestamp < dated.issueDate) revert TcbInfoNotYetValid(dated.issueDate);
        if (block.timestamp > dated.nextUpdate) revert TcbInfoExpired(dated.nextUpdate);
        keep(tcbInfos[dated.platform], dated, encoded, signerId);
        emit TcbInfoPosted(dated.platform, dated.evaluationNumber, dated.nextUpdate);
    }

    /// @notice The identity of the TD quoting enclave. Parameters as those of `postTcbInfo`.
    function postQeIdentity(bytes calldata document, bytes32 r, bytes32 s, bytes32 signerId) external {
        if (!verifyDocument(document, r, s, signerId)) revert QeIdentitySignatureInvalid();
        (Dated memory dated, bytes memory encoded) = DOCUMENTS.parseQeIdentity(document);
        if (block.timestamp < dated.issueDate) revert QeIdentityNotYetValid(dated.issueDate);
        if (block.timestamp > dated.nextUpdate) revert QeIdentityExpired(dated.nextUpdate);
        keep(qeIdentity, dated, encoded, signerId);
        emit QeIdentityPosted(dated.evaluationNumber, dated.nextUpdate);
    }

    function verifyDocument(bytes calldata document, bytes32 r, bytes32 s, bytes32 signerId)
        private
        view
        returns (bool)
    {
        CertificateRecord storage signer = certificates[signerId];
        if (signer.role != Role.TcbSigner) revert CertificateSubjectUnexpected();
        checkIssued(signer);
        return verifyP256(sha256(document), uint256(r), uint256(s), signer.x, signer.y);
    }

    function keep(DocumentRecord storage known, Dated memory dated, bytes memory encoded, bytes32 signerId)
        private
    {
        bool older = dated.evaluationNumber < known.evaluationNumber
            || (dated.evaluationNumber == known.evaluationNumber && dated.issueDate < known.issueDate);
        if (older) revert DocumentOlder();
        known.data = SSTORE2.write(encoded);
        known.issueDate = dated.issueDate;
        known.nextUpdate = dated.nextUpdate;
        known.evaluationNumber = dated.evaluationNumber;
        known.signerId = signerId;
    }

    /// @dev That a certificate which the root issued is in date and not revoked. @return when it or the root's CRL ends
    function checkIssued(CertificateRecord storage certificate) private view returns (uint256 until) {
        X509.checkDates(certificate.notBefore, certificate.notAfter);
        return lower(certificate.notAfter, checkCrl(authorityOf(ROOT_ID), certificate.serial));
    }

    /// @dev That an authority's CRL is there, in date, and does not list a serial number. @return its nextUpdate
    function checkCrl(bytes32 authority, uint160 serial) private view returns (uint256) {
        CrlRecord storage crl = crls[authority];
        (address serials, uint40 nextUpdate) = (crl.serials, crl.nextUpdate);
        if (nextUpdate == 0) revert CrlMissing();
        if (block.timestamp > nextUpdate) revert CrlExpired(nextUpdate);
        if (serials != address(0) && Crl.isRevoked(SSTORE2.read(serials), serial)) {
            revert CertificateRevoked(serial);
        }
        return nextUpdate;
    }

    /// @inheritdoc IDcapCollateral
    function collateralOf(bytes32 issuerId, uint160 serial, bytes8 platform)
        external
        view
        returns (PlatformCollateral memory result)
    {
        CertificateRecord storage issuer = certificates[issuerId];
        if (issuer.role != Role.Root && issuer.role != Role.PckAuthority) revert CertificateUntrustedRoot();
        CertificateRecord storage root = certificates[ROOT_ID];
        X509.checkDates(root.notBefore, root.notAfter);
        uint256 until = lower(root.notAfter, checkIssued(issuer));
        until = lower(until, checkCrl(authorityOf(issuerId), serial));
        DocumentRecord storage info = tcbInfos[platform];
        DocumentRecord storage identity = qeIdentity;
        if (info.data == address(0) || identity.data == address(0)) revert CollateralMissing();
        if (block.timestamp > info.nextUpdate) revert TcbInfoExpired(info.nextUpdate);
        if (block.timestamp > identity.nextUpdate) revert QeIdentityExpired(identity.nextUpdate);
        until = lower(until, lower(info.nextUpdate, checkIssued(certificates[info.signerId])));
        if (identity.signerId != info.signerId) {
            until = lower(until, checkIssued(certificates[identity.signerId]));
        }
        result.issuerX = issuer.x;
        result.issuerY = issuer.y;
        result.issuerSubject = issuer.subject;
        result.tcbInfo = info.data;
        result.qeIdentity = identity.data;
        result.evaluationNumber = uint32(lower(info.evaluationNumber, identity.evaluationNumber));
        result.expiresAtSeconds = uint40(lower(until, identity.nextUpdate));
    }

    function lower(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
