// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "./DcapErrors.sol";
import {Der} from "./Der.sol";

/// @title Intel's SGX extension of PCK certificates (Intel SGX PCK Certificate and CRL Profile Specification 1.5)
library PckExtension {
    using Der for Der.Reader;

    /// @param cpuSvn 16 SGX component SVNs
    struct Platform {
        bytes16 cpuSvn;
        uint16 pceSvn;
        bytes2 pceId;
        bytes6 fmspc;
    }

    /// @dev 1.2.840.113741.1.13.1, whose members add one arc, and those of member 2 one more.
    uint256 private constant PREFIX = 0x2a864886f84d010d01;
    uint256 private constant TCB_PREFIX = 0x2a864886f84d010d0102;

    uint256 private constant PPID = 1;
    uint256 private constant TCB = 2;
    uint256 private constant PCE_ID = 3;
    uint256 private constant FMSPC = 4;
    uint256 private constant SGX_TYPE = 5;
    uint256 private constant PCE_SVN = 17;
    uint256 private constant CPU_SVN = 18;

    /// @notice What a PCK certificate says of its platform, from the value of its extension. It is worth what the
    /// certificate's chain is worth.
    function parse(Der.Reader memory extension) internal pure returns (Platform memory platform) {
        if (extension.done()) revert PckExtensionMalformed();
        Der.Reader memory list = extension.enter(Der.SEQUENCE);
        extension.finish();
        uint256 seen;
        while (!list.done()) {
            Der.Reader memory item = list.enter(Der.SEQUENCE);
            uint256 arc = arcOf(item, PREFIX, 9);
            if (seen & (uint256(1) << arc) != 0) revert PckExtensionMalformed();
            seen |= uint256(1) << arc;
            if (arc == PPID) octetsOf(item, 16);
            else if (arc == TCB) readTcb(item, platform);
            else if (arc == PCE_ID) platform.pceId = bytes2(octetsOf(item, 2));
            else if (arc == FMSPC) platform.fmspc = bytes6(octetsOf(item, 6));
            else if (arc == SGX_TYPE) skipEnumerated(item);
        }
        // Members 1 to 5 are required; others (platform instance, configuration) may stand.
        if (seen & 0x3e != 0x3e) revert PckExtensionMalformed();
    }

    function readTcb(Der.Reader memory outer, Platform memory platform) private pure {
        Der.Reader memory list = outer.enter(Der.SEQUENCE);
        outer.finish();
        uint256 seen;
        uint256 svns;
        while (!list.done()) {
            Der.Reader memory item = list.enter(Der.SEQUENCE);
            uint256 arc = arcOf(item, TCB_PREFIX, 10);
            if (seen & (uint256(1) << arc) != 0) revert PckExtensionMalformed();
            seen |= uint256(1) << arc;
            if (arc != 0 && arc < PCE_SVN) {
                svns |= item.unsigned(1) << (8 * (16 - arc));
                item.finish();
            } else if (arc == PCE_SVN) {
                platform.pceSvn = uint16(item.unsigned(2));
                item.finish();
            } else if (arc == CPU_SVN) {
                octetsOf(item, 16);
            }
        }
        // Members 1 to 18, all required.
        if (seen & 0x7fffe != 0x7fffe) revert PckExtensionMalformed();
        platform.cpuSvn = bytes16(uint128(svns));
    }

    /// @dev The last arc of a member's identifier, which is the prefix and one byte below 128.
    function arcOf(Der.Reader memory item, uint256 prefix, uint256 prefixBytes)
        private
        pure
        returns (uint256 arc)
    {
        uint256 oid = uint256(item.oid());
        arc = (oid >> (8 * (31 - prefixBytes))) & 0xff;
        bool belongs = oid & 0xff == prefixBytes + 1 && oid >> (8 * (32 - prefixBytes)) == prefix;
        if (!belongs || arc > 0x7f) revert PckExtensionMalformed();
    }

    function octetsOf(Der.Reader memory item, uint256 byteLength) private pure returns (bytes32) {
        (uint256 content, uint256 end) = item.value(Der.OCTET_STRING);
        item.finish();
        if (end - content != byteLength) revert PckExtensionMalformed();
        return Der.wordOf(content);
    }

    function skipEnumerated(Der.Reader memory item) private pure {
        (uint256 content, uint256 end) = item.value(Der.ENUMERATED);
        item.finish();
        if (end - content != 1) revert PckExtensionMalformed();
    }
}
