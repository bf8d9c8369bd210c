// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Base64} from "solady/utils/Base64.sol";
import "./DcapErrors.sol";
import {Base64Decoder} from "./Base64Decoder.sol";

/// @title Certificate chains in PEM (RFC 7468), as quotes carry them
/// @notice Certificates are told apart by their base64 without line ends: the id of a known certificate's DER is compared with
/// that of what the quote brings, and only a certificate that nobody knows yet has to be decoded.
library Pem {
    bytes27 private constant BEGIN = "-----BEGIN CERTIFICATE-----";
    bytes25 private constant END = "-----END CERTIFICATE-----";
    uint256 private constant MAX_CERTIFICATES = 3;

    /// @notice The certificates' base64, in order. Between them only white space may stand, and after the first one zero
    /// bytes too: Intel's quoting library ends a chain with one.
    /// @return blocks as many entries as there are certificates, 0 to 3
    function split(bytes calldata text) internal pure returns (bytes[] memory blocks) {
        blocks = new bytes[](MAX_CERTIFICATES);
        uint256 count;
        uint256 position;
        for (;;) {
            position = skipSpace(text, position, count > 0);
            if (position == text.length) break;
            bytes memory base64;
            (base64, position) = readBlock(text, position);
            if (count == MAX_CERTIFICATES) revert PckChainLength(count + 1);
            blocks[count++] = base64;
        }
        assembly ("memory-safe") {
            mstore(blocks, count)
        }
    }

    /// @notice What tells a certificate from others: keccak256 of its base64, with padding and without line ends.
    function idOf(bytes memory base64) internal pure returns (bytes32) {
        return keccak256(base64);
    }

    /// @notice The same of a certificate in DER.
    function idOfDer(bytes memory der) internal pure returns (bytes32) {
        return keccak256(bytes(Base64.encode(der)));
    }

    /// @notice The DER that a block stands for; the block is spent.
    function decode(bytes memory base64) internal pure returns (bytes memory) {
        return Base64Decoder.decode(base64);
    }

    function readBlock(bytes calldata text, uint256 position)
        private
        pure
        returns (bytes memory base64, uint256 next)
    {
        if (position + 27 > text.length || bytes27(text[position:]) != BEGIN) {
            revert CertificateMalformed();
        }
        position = skipSpace(text, position + 27, false);
        base64 = new bytes(text.length - position);
        uint256 length;
        while (position + 25 <= text.length && characterAt(text, position) != 0x2d) {
            uint256 end = endOfLine(text, position);
            assembly ("memory-safe") {
                calldatacopy(add(add(base64, 0x20), length), add(text.offset, position), sub(end, position))
            }
            length += end - position;
            position = skipSpace(text, end, false);
        }
        if (position + 25 > text.length || bytes25(text[position:]) != END) revert CertificateMalformed();
        assembly ("memory-safe") {
            mstore(base64, length)
        }
        return (base64, position + 25);
    }

    /// @dev Where a line ends. RFC 7468 wants 64 characters in all but the last, so that is where to look first; a line end
    /// before that one would be taken for base64, which decoder and id both refuse.
    function endOfLine(bytes calldata text, uint256 position) private pure returns (uint256 end) {
        unchecked {
            end = position + 64;
            if (end < text.length && isSpace(characterAt(text, end))) return end;
            for (end = position; end < text.length; end++) {
                uint256 character = characterAt(text, end);
                if (isSpace(character) || character == 0x2d) return end;
            }
            revert CertificateMalformed();
        }
    }

    function skipSpace(bytes calldata text, uint256 position, bool zeros) private pure returns (uint256) {
        unchecked {
            for (; position < text.length; position++) {
                uint256 character = characterAt(text, position);
                if (!isSpace(character) && !(zeros && character == 0)) break;
            }
            return position;
        }
    }

    /// @dev Line feed, carriage return, tab or blank.
    function isSpace(uint256 character) private pure returns (bool) {
        return (uint256(0x100002600) >> character) & 1 == 1;
    }

    /// @dev The character at a position, which the caller knows to be inside the text.
    function characterAt(bytes calldata text, uint256 position) private pure returns (uint256 character) {
        assembly ("memory-safe") {
            character := byte(0, calldataload(add(text.offset, position)))
        }
    }
}
