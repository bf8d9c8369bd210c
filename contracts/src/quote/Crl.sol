// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "./DcapErrors.sol";
import {Der} from "./Der.sol";
import {X509} from "./X509.sol";

/// @title X.509 version 2 CRLs signed by ECDSA with SHA-256 (RFC 5280 section 5)
/// @notice Complete CRLs alone: one that covers only some certificates, or only what changed, is refused. What `parse` returns
/// is not yet trusted: signature, issuer and dates are its caller's to check.
library Crl {
    using Der for Der.Reader;

    /// @param tbsDigest SHA-256 of the signed part
    /// @param issuer keccak256 of the DER of the issuer's Name
    /// @param number CRL number, 0 where there is none
    /// @param serials revoked serial numbers, 20 bytes each, big-endian, in the CRL's order
    struct Parsed {
        bytes32 tbsDigest;
        uint256 r;
        uint256 s;
        bytes32 issuer;
        uint40 thisUpdate;
        uint40 nextUpdate;
        uint160 number;
        bytes serials;
    }

    uint256 internal constant SERIAL_BYTES = 20;
    /// @dev As many as fit into the code of one contract (EIP-170, less the byte that keeps it from being called).
    uint256 internal constant MAX_REVOKED = 24_575 / SERIAL_BYTES;

    bytes32 private constant OID_CRL_NUMBER = bytes32(hex"551d14") | bytes32(uint256(3));
    bytes32 private constant OID_DELTA_CRL = bytes32(hex"551d1b") | bytes32(uint256(3));
    bytes32 private constant OID_ISSUING_DISTRIBUTION_POINT = bytes32(hex"551d1c") | bytes32(uint256(3));

    /// @notice One CRL in DER that revokes at most 1,228 certificates.
    function parse(bytes memory der) internal view returns (Parsed memory crl) {
        Der.Reader memory tbs;
        (tbs, crl.tbsDigest, crl.r, crl.s) = X509.readSigned(der);
        if (tbs.unsigned(1) != 1) revert CrlMalformed();
        X509.skipAlgorithm(tbs);
        crl.issuer = X509.readName(tbs);
        crl.thisUpdate = tbs.time();
        crl.nextUpdate = tbs.time();
        if (tbs.isNext(Der.SEQUENCE)) crl.serials = readRevoked(tbs.enter(Der.SEQUENCE));
        if (!tbs.done()) readExtensions(tbs.enter(0xa0), crl);
        tbs.finish();
    }

    function readRevoked(Der.Reader memory list) private pure returns (bytes memory serials) {
        // An entry has 20 bytes or more, as its serial number takes here; the last store goes 12 bytes beyond it.
        serials = new bytes(list.end - list.position + 12);
        uint256 count;
        for (; !list.done(); count++) {
            Der.Reader memory entry = list.enter(Der.SEQUENCE);
            uint256 serial = entry.unsigned(SERIAL_BYTES);
            // When it was revoked matters to nobody here, but no time is shorter than a UTCTime of 13 characters.
            if (!entry.isNext(Der.UTC_TIME) && !entry.isNext(Der.GENERALIZED_TIME)) revert CrlMalformed();
            (uint256 content, uint256 end) = entry.any();
            if (end - content < 13) revert CrlMalformed();
            if (!entry.done()) skipEntryExtensions(entry);
            if (count == MAX_REVOKED) revert CrlTooLarge(count + 1);
            assembly ("memory-safe") {
                mstore(add(add(serials, 0x20), mul(count, SERIAL_BYTES)), shl(96, serial))
            }
        }
        assembly ("memory-safe") {
            mstore(serials, mul(count, SERIAL_BYTES))
        }
    }

    function skipEntryExtensions(Der.Reader memory entry) private pure {
        Der.Reader memory list = entry.enter(Der.SEQUENCE);
        entry.finish();
        while (!list.done()) {
            Der.Reader memory item = list.enter(Der.SEQUENCE);
            bytes32 oid = item.oid();
            if (item.isNext(Der.BOOLEAN) && item.boolean()) revert CrlCriticalExtension(oid);
            item.value(Der.OCTET_STRING);
            item.finish();
        }
    }

    function readExtensions(Der.Reader memory outer, Parsed memory crl) private pure {
        Der.Reader memory list = outer.enter(Der.SEQUENCE);
        outer.finish();
        bool numbered;
        while (!list.done()) {
            Der.Reader memory item = list.enter(Der.SEQUENCE);
            bytes32 oid = item.oid();
            bool critical = item.isNext(Der.BOOLEAN) && item.boolean();
            Der.Reader memory content = item.enter(Der.OCTET_STRING);
            item.finish();
            if (critical || oid == OID_DELTA_CRL || oid == OID_ISSUING_DISTRIBUTION_POINT) {
                revert CrlCriticalExtension(oid);
            }
            if (oid != OID_CRL_NUMBER) continue;
            if (numbered) revert CrlMalformed();
            numbered = true;
            crl.number = uint160(content.unsigned(20));
            content.finish();
        }
    }

    /// @notice Whether `serials`, of 20 bytes each, has this one.
    function isRevoked(bytes memory serials, uint160 serial) internal pure returns (bool found) {
        assembly ("memory-safe") {
            let position := add(serials, 0x20)
            for { let end := add(position, mload(serials)) } lt(position, end) {
                position := add(position, SERIAL_BYTES)
            } {
                if eq(shr(96, mload(position)), serial) {
                    found := 1
                    break
                }
            }
        }
    }
}
