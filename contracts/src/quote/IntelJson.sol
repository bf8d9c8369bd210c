// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {JSONParserLib} from "solady/utils/JSONParserLib.sol";
import {LibBytes} from "solady/utils/LibBytes.sol";
import {TcbStatus} from "../interfaces/IQuoteVerifier.sol";
import {Calendar} from "./Calendar.sol";
import "./DcapErrors.sol";

/// @title Members of the JSON documents of Intel's provisioning certification service, each read as exactly one type
/// @notice Keys are given as they stand in the text, with their quotes. Only text whose signature holds is read: what goes
/// wrong here is a form of document that this code does not know, not an attack.
library IntelJson {
    using JSONParserLib for JSONParserLib.Item;

    function object(JSONParserLib.Item memory item, string memory key)
        internal
        pure
        returns (JSONParserLib.Item memory member)
    {
        member = item.at(key);
        if (!member.isObject()) revert CollateralMalformed(key);
    }

    /// @notice The members of an array of at most `largest`.
    function array(JSONParserLib.Item memory item, string memory key, uint256 largest)
        internal
        pure
        returns (JSONParserLib.Item[] memory)
    {
        JSONParserLib.Item memory member = item.at(key);
        if (!member.isArray() || member.size() > largest) revert CollateralMalformed(key);
        return member.children();
    }

    function number(JSONParserLib.Item memory item, string memory key, uint256 largest)
        internal
        pure
        returns (uint256 result)
    {
        JSONParserLib.Item memory member = item.at(key);
        if (!member.isNumber()) revert CollateralMalformed(key);
        result = JSONParserLib.parseUint(member.value());
        if (result > largest) revert CollateralMalformed(key);
    }

    /// @notice A string with its quotes. Escapes are not resolved: no value that is read here has one.
    function text(JSONParserLib.Item memory item, string memory key) internal pure returns (bytes memory) {
        JSONParserLib.Item memory member = item.at(key);
        if (!member.isString()) revert CollateralMalformed(key);
        return bytes(member.value());
    }

    /// @notice `byteLength` bytes, at most 32, in hex, left-aligned.
    function hexBytes(JSONParserLib.Item memory item, string memory key, uint256 byteLength)
        internal
        pure
        returns (bytes32)
    {
        bytes memory quoted = text(item, key);
        if (quoted.length != 2 * byteLength + 2) revert CollateralMalformed(key);
        return hexWord(quoted, 1, byteLength, key);
    }

    /// @notice keccak256 of 48 bytes in hex.
    function hashOfHex48(JSONParserLib.Item memory item, string memory key) internal pure returns (bytes32) {
        bytes memory quoted = text(item, key);
        if (quoted.length != 98) revert CollateralMalformed(key);
        return keccak256(abi.encodePacked(hexWord(quoted, 1, 32, key), bytes16(hexWord(quoted, 65, 16, key))));
    }

    function hexWord(bytes memory quoted, uint256 start, uint256 byteLength, string memory key)
        private
        pure
        returns (bytes32)
    {
        // The library would take 0x for a prefix.
        if (quoted[start + 1] == "x" || quoted[start + 1] == "X") revert CollateralMalformed(key);
        bytes memory digits = LibBytes.slice(quoted, start, start + 2 * byteLength);
        return bytes32(JSONParserLib.parseUintFromHex(string(digits)) << (256 - 8 * byteLength));
    }

    /// @notice `"YYYY-MM-DDThh:mm:ssZ"` in seconds since 1970.
    function date(JSONParserLib.Item memory item, string memory key) internal pure returns (uint40) {
        bytes memory quoted = text(item, key);
        bool shaped = quoted.length == 22 && quoted[5] == "-" && quoted[8] == "-" && quoted[11] == "T";
        if (!shaped || quoted[14] != ":" || quoted[17] != ":" || quoted[20] != "Z") {
            revert CollateralMalformed(key);
        }
        uint256 position;
        assembly ("memory-safe") {
            position := add(quoted, 0x21)
        }
        (bool valid, uint256 year) = Calendar.number(position, 4);
        uint40 value;
        if (valid) (valid, value) = Calendar.toSeconds(year, position + 5, 3);
        if (!valid) revert CollateralMalformed(key);
        return value;
    }

    function status(JSONParserLib.Item memory level) internal pure returns (TcbStatus) {
        bytes32 quoted = keccak256(text(level, '"tcbStatus"'));
        if (quoted == keccak256('"UpToDate"')) return TcbStatus.UpToDate;
        if (quoted == keccak256('"SWHardeningNeeded"')) return TcbStatus.SWHardeningNeeded;
        if (quoted == keccak256('"ConfigurationNeeded"')) return TcbStatus.ConfigurationNeeded;
        if (quoted == keccak256('"ConfigurationAndSWHardeningNeeded"')) {
            return TcbStatus.ConfigurationAndSWHardeningNeeded;
        }
        if (quoted == keccak256('"OutOfDate"')) return TcbStatus.OutOfDate;
        if (quoted == keccak256('"OutOfDateConfigurationNeeded"')) {
            return TcbStatus.OutOfDateConfigurationNeeded;
        }
        if (quoted == keccak256('"Revoked"')) return TcbStatus.Revoked;
        revert CollateralMalformed('"tcbStatus"');
    }
}
