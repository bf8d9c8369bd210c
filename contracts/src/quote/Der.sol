// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Calendar} from "./Calendar.sol";

/// @title A strict reader of DER (ITU-T X.690)
/// @notice Definite lengths in their shortest form, single-byte tags, values inside their parent. A reader never sees
/// past the end it was given, and each call moves it forward, so that gas is bounded by the input's length.
/// @dev Positions are pointers into memory; nothing is copied.
library Der {
    error DerTruncated();
    error DerLength();
    error DerTag(uint256 expected);
    error DerTrailing();
    error DerValue();

    uint256 internal constant BOOLEAN = 0x01;
    uint256 internal constant INTEGER = 0x02;
    uint256 internal constant BIT_STRING = 0x03;
    uint256 internal constant OCTET_STRING = 0x04;
    uint256 internal constant OID = 0x06;
    uint256 internal constant ENUMERATED = 0x0a;
    uint256 internal constant UTC_TIME = 0x17;
    uint256 internal constant GENERALIZED_TIME = 0x18;
    uint256 internal constant SEQUENCE = 0x30;
    uint256 internal constant SET = 0x31;

    struct Reader {
        uint256 position;
        uint256 end;
    }

    function reader(bytes memory data) internal pure returns (Reader memory r) {
        assembly ("memory-safe") {
            let start := add(data, 0x20)
            mstore(r, start)
            mstore(add(r, 0x20), add(start, mload(data)))
        }
    }

    function byteOf(uint256 position) internal pure returns (uint256 octet) {
        assembly ("memory-safe") {
            octet := byte(0, mload(position))
        }
    }

    /// @notice The 32 bytes at a position. The caller knows that they are inside its value.
    function wordOf(uint256 position) internal pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(position)
        }
    }

    function keccakOf(uint256 start, uint256 end) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            digest := keccak256(start, sub(end, start))
        }
    }

    function sha256Of(uint256 start, uint256 end) internal view returns (bytes32 digest) {
        assembly ("memory-safe") {
            // The precompile fails only for want of gas.
            if iszero(staticcall(gas(), 2, start, sub(end, start), 0x00, 0x20)) { revert(0, 0) }
            digest := mload(0x00)
        }
    }

    function done(Reader memory r) internal pure returns (bool) {
        return r.position == r.end;
    }

    function finish(Reader memory r) internal pure {
        if (r.position != r.end) revert DerTrailing();
    }

    /// @notice Whether the next value has this tag.
    function isNext(Reader memory r, uint256 tag) internal pure returns (bool) {
        return r.position < r.end && byteOf(r.position) == tag;
    }

    /// @notice Reads the next value of any tag; `content` and `end` are positions.
    function any(Reader memory r) internal pure returns (uint256 content, uint256 end) {
        unchecked {
            uint256 start = r.position;
            uint256 limit = r.end;
            if (start + 2 > limit) revert DerTruncated();
            if (byteOf(start) & 0x1f == 0x1f) revert DerTag(0);
            uint256 length = byteOf(start + 1);
            content = start + 2;
            if (length >= 0x80) {
                uint256 count = length & 0x7f;
                if (count == 0 || count > 3) revert DerLength();
                if (content + count > limit) revert DerTruncated();
                length = uint256(wordOf(content)) >> (256 - 8 * count);
                if (length < (count == 1 ? 0x80 : uint256(1) << (8 * (count - 1)))) revert DerLength();
                content += count;
            }
            end = content + length;
            if (end > limit) revert DerTruncated();
            r.position = end;
        }
    }

    /// @notice Reads the next value, which must have this tag.
    function value(Reader memory r, uint256 tag) internal pure returns (uint256 content, uint256 end) {
        if (!isNext(r, tag)) revert DerTag(tag);
        return any(r);
    }

    /// @notice A reader of the next value's content.
    function enter(Reader memory r, uint256 tag) internal pure returns (Reader memory) {
        (uint256 content, uint256 end) = value(r, tag);
        return Reader(content, end);
    }

    /// @notice An INTEGER from 0 to below 2^(8 * `maxBytes`), `maxBytes` at most 32.
    function unsigned(Reader memory r, uint256 maxBytes) internal pure returns (uint256) {
        unchecked {
            (uint256 content, uint256 end) = value(r, INTEGER);
            if (content == end || byteOf(content) >= 0x80) revert DerValue();
            if (end - content > 1 && byteOf(content) == 0) {
                content++;
                if (byteOf(content) < 0x80) revert DerValue();
            }
            if (end - content > maxBytes) revert DerValue();
            return uint256(wordOf(content)) >> (256 - 8 * (end - content));
        }
    }

    /// @notice An OBJECT IDENTIFIER of 1 to 31 bytes: its content, left-aligned, and in the last byte its length.
    function oid(Reader memory r) internal pure returns (bytes32) {
        unchecked {
            (uint256 content, uint256 end) = value(r, OID);
            uint256 length = end - content;
            if (length == 0 || length > 31) revert DerValue();
            uint256 mask = type(uint256).max << (256 - 8 * length);
            return bytes32((uint256(wordOf(content)) & mask) | length);
        }
    }

    function boolean(Reader memory r) internal pure returns (bool) {
        (uint256 content, uint256 end) = value(r, BOOLEAN);
        uint256 octet = byteOf(content);
        if (end - content != 1 || (octet != 0 && octet != 0xff)) revert DerValue();
        return octet == 0xff;
    }

    /// @notice A BIT STRING of whole bytes.
    function wholeBits(Reader memory r) internal pure returns (uint256 content, uint256 end) {
        (content, end) = value(r, BIT_STRING);
        if (content == end || byteOf(content) != 0) revert DerValue();
        content++;
    }

    /// @notice The first 9 bits of a BIT STRING, bit 0 as 1, bit 8 as 256 (RFC 5280 section 4.2.1.3).
    function flags(Reader memory r) internal pure returns (uint256 bits) {
        unchecked {
            (uint256 content, uint256 end) = value(r, BIT_STRING);
            uint256 unused = content == end ? 8 : byteOf(content);
            if (unused > 7 || (end - content == 1 && unused != 0)) revert DerValue();
            if (end - content > 1 && byteOf(end - 1) & ((uint256(1) << unused) - 1) != 0) revert DerValue();
            for (uint256 bit = 0; bit < 9 && bit < 8 * (end - content - 1); bit++) {
                if (byteOf(content + 1 + (bit >> 3)) & (uint256(0x80) >> (bit & 7)) != 0) {
                    bits |= uint256(1) << bit;
                }
            }
        }
    }

    /// @notice A UTCTime or GeneralizedTime in UTC with seconds, from 1970 on (RFC 5280 section 4.1.2.5), in seconds.
    function time(Reader memory r) internal pure returns (uint40) {
        unchecked {
            bool short = isNext(r, UTC_TIME);
            (uint256 content, uint256 end) = value(r, short ? UTC_TIME : GENERALIZED_TIME);
            if (end - content != (short ? 13 : 15) || byteOf(end - 1) != 0x5a) revert DerValue();
            (bool valid, uint256 year) = Calendar.number(content, short ? 2 : 4);
            if (short) year += year < 50 ? 2000 : 1900;
            uint40 timestamp;
            if (valid) (valid, timestamp) = Calendar.toSeconds(year, end - 11, 2);
            if (!valid) revert DerValue();
            return timestamp;
        }
    }
}
