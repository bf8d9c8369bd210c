// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "./DcapErrors.sol";
import {Der} from "./Der.sol";

/// @title X.509 version 3 certificates with P-256 keys, signed by ECDSA with SHA-256 (RFC 5280, RFC 5480)
/// @notice Parsed strictly. What `parse` returns is not yet trusted: signature, issuer, dates, constraints and revocation are
/// its caller's to check.
library X509 {
    using Der for Der.Reader;

    /// @param tbsDigest SHA-256 of the signed part
    /// @param issuer keccak256 of the DER of the issuer's Name
    /// @param subject keccak256 of the DER of the subject's Name
    /// @param x public key; that it is on the curve is not checked
    /// @param pathLength pathLenConstraint, or the largest uint256 where there is none
    /// @param keyUsage bit 0 (digitalSignature) as 1, bit 5 (keyCertSign) as 32, bit 6 (cRLSign) as 64; all set where absent
    /// @param name positions of the subject's Name in memory
    /// @param sgxExtension positions of the value of Intel's SGX extension in memory, empty where there is none
    struct Certificate {
        bytes32 tbsDigest;
        uint256 r;
        uint256 s;
        bytes32 issuer;
        bytes32 subject;
        uint256 x;
        uint256 y;
        uint160 serial;
        uint40 notBefore;
        uint40 notAfter;
        bool ca;
        uint256 pathLength;
        uint256 keyUsage;
        Der.Reader name;
        Der.Reader sgxExtension;
    }

    uint256 internal constant MAX_BYTES = 16_384;
    uint256 private constant MAX_EXTENSIONS = 32;
    uint256 internal constant DIGITAL_SIGNATURE = 1;
    uint256 internal constant KEY_CERT_SIGN = 32;
    uint256 internal constant CRL_SIGN = 64;
    uint256 internal constant NO_LIMIT = type(uint256).max;

    bytes32 private constant OID_KEY_USAGE = bytes32(hex"551d0f") | bytes32(uint256(3));
    bytes32 private constant OID_BASIC_CONSTRAINTS = bytes32(hex"551d13") | bytes32(uint256(3));
    /// @dev 1.2.840.113741.1.13.1
    bytes32 private constant OID_INTEL_SGX = bytes32(hex"2a864886f84d010d01") | bytes32(uint256(9));
    bytes32 private constant OID_COMMON_NAME = bytes32(hex"550403") | bytes32(uint256(3));

    /// @dev AlgorithmIdentifier of ecdsa-with-SHA256, the whole DER.
    bytes12 private constant ECDSA_SHA256 = 0x300a06082a8648ce3d040302;
    /// @dev What stands before the coordinates in a P-256 SubjectPublicKeyInfo with an uncompressed point.
    bytes27 private constant SPKI_PREFIX = 0x3059301306072a8648ce3d020106082a8648ce3d03010703420004;

    /// @notice One certificate in DER, of at most 16 KiB.
    function parse(bytes memory der) internal view returns (Certificate memory certificate) {
        if (der.length > MAX_BYTES) revert CertificateMalformed();
        Der.Reader memory tbs;
        (tbs, certificate.tbsDigest, certificate.r, certificate.s) = readSigned(der);
        Der.Reader memory version = tbs.enter(0xa0);
        if (version.unsigned(1) != 2) revert CertificateMalformed();
        version.finish();
        certificate.serial = uint160(tbs.unsigned(20));
        skipAlgorithm(tbs);
        certificate.issuer = readName(tbs);
        Der.Reader memory validity = tbs.enter(Der.SEQUENCE);
        certificate.notBefore = validity.time();
        certificate.notAfter = validity.time();
        validity.finish();
        certificate.name.position = tbs.position;
        certificate.subject = readName(tbs);
        certificate.name.end = tbs.position;
        (certificate.x, certificate.y) = readPublicKey(tbs);
        certificate.pathLength = NO_LIMIT;
        certificate.keyUsage = NO_LIMIT;
        if (!tbs.done()) readExtensions(tbs.enter(0xa3), certificate);
        tbs.finish();
    }

    /// @notice The envelope that certificates and CRLs share: a reader of the signed part, its SHA-256, and (r, s).
    function readSigned(bytes memory der)
        internal
        view
        returns (Der.Reader memory tbs, bytes32 digest, uint256 r, uint256 s)
    {
        Der.Reader memory outer = Der.reader(der);
        Der.Reader memory body = outer.enter(Der.SEQUENCE);
        outer.finish();
        uint256 start = body.position;
        tbs = body.enter(Der.SEQUENCE);
        digest = Der.sha256Of(start, body.position);
        skipAlgorithm(body);
        (uint256 content, uint256 end) = body.wholeBits();
        body.finish();
        // Ecdsa-Sig-Value (RFC 3279 section 2.2.3)
        Der.Reader memory signature = Der.Reader(content, end);
        Der.Reader memory scalars = signature.enter(Der.SEQUENCE);
        signature.finish();
        r = scalars.unsigned(32);
        s = scalars.unsigned(32);
        scalars.finish();
    }

    /// @notice Reads an AlgorithmIdentifier, which must be ecdsa-with-SHA256.
    function skipAlgorithm(Der.Reader memory r) internal pure {
        uint256 start = r.position;
        (, uint256 end) = r.value(Der.SEQUENCE);
        if (end - start != 12 || bytes12(Der.wordOf(start)) != ECDSA_SHA256) {
            revert CertificateAlgorithmUnsupported();
        }
    }

    /// @notice Reads a Name. @return keccak256 of its DER
    function readName(Der.Reader memory r) internal pure returns (bytes32) {
        uint256 start = r.position;
        (, uint256 end) = r.value(Der.SEQUENCE);
        return Der.keccakOf(start, end);
    }

    function readPublicKey(Der.Reader memory tbs) private pure returns (uint256 x, uint256 y) {
        uint256 start = tbs.position;
        (, uint256 end) = tbs.value(Der.SEQUENCE);
        if (end - start != 91 || bytes27(Der.wordOf(start)) != SPKI_PREFIX) {
            revert CertificateAlgorithmUnsupported();
        }
        x = uint256(Der.wordOf(start + 27));
        y = uint256(Der.wordOf(start + 59));
    }

    function readExtensions(Der.Reader memory outer, Certificate memory certificate) private pure {
        Der.Reader memory list = outer.enter(Der.SEQUENCE);
        outer.finish();
        bytes32[] memory seen = new bytes32[](MAX_EXTENSIONS);
        for (uint256 count = 0; !list.done(); count++) {
            Der.Reader memory item = list.enter(Der.SEQUENCE);
            bytes32 oid = item.oid();
            if (count == MAX_EXTENSIONS) revert CertificateMalformed();
            for (uint256 i = 0; i < count; i++) {
                if (seen[i] == oid) revert CertificateMalformed();
            }
            seen[count] = oid;
            bool critical = item.isNext(Der.BOOLEAN) && item.boolean();
            Der.Reader memory content = item.enter(Der.OCTET_STRING);
            item.finish();
            readExtension(oid, critical, content, certificate);
        }
    }

    function readExtension(
        bytes32 oid,
        bool critical,
        Der.Reader memory content,
        Certificate memory certificate
    ) private pure {
        if (oid == OID_BASIC_CONSTRAINTS) {
            Der.Reader memory body = content.enter(Der.SEQUENCE);
            content.finish();
            if (body.isNext(Der.BOOLEAN)) certificate.ca = body.boolean();
            if (!body.done()) certificate.pathLength = body.unsigned(4);
            body.finish();
        } else if (oid == OID_KEY_USAGE) {
            certificate.keyUsage = content.flags();
            content.finish();
        } else if (critical) {
            revert CertificateCriticalExtension(oid);
        } else if (oid == OID_INTEL_SGX) {
            certificate.sgxExtension = content;
        }
    }

    /// @notice Whether one of the subject's common names has this keccak256.
    function hasCommonName(Certificate memory certificate, bytes32 nameHash) internal pure returns (bool) {
        Der.Reader memory names =
            Der.Reader(certificate.name.position, certificate.name.end).enter(Der.SEQUENCE);
        while (!names.done()) {
            Der.Reader memory attribute = names.enter(Der.SET).enter(Der.SEQUENCE);
            bytes32 oid = attribute.oid();
            (uint256 content, uint256 end) = attribute.any();
            if (oid == OID_COMMON_NAME && Der.keccakOf(content, end) == nameHash) return true;
        }
        return false;
    }

    /// @notice Reverts unless now is from notBefore to notAfter.
    function checkDates(uint256 notBefore, uint256 notAfter) internal view {
        if (block.timestamp < notBefore) revert CertificateNotYetValid(notBefore);
        if (block.timestamp > notAfter) revert CertificateExpired(notAfter);
    }
}
