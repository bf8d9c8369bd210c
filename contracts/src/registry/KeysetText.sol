// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBytes} from "solady/utils/LibBytes.sol";
import {LibString} from "solady/utils/LibString.sol";

/// @title What a contract reads of a keyset's JCS text
/// @notice docs/spec/receipt.md, "Keyset": the text starts `{"affidavit":{"a":"0x<40 hex>","b":"<16 hex>"`, and its member
/// `log` is the one place where `,"log":{"origin":"` can stand: inside a JSON string the quotes would be escaped.
/// The text is only worth what vouches for its SHA-256.
library KeysetText {
    /// @notice The text is no keyset, or longer than 65,536 bytes.
    error KeysetInvalid();

    uint256 private constant MAX_LENGTH = 65_536;
    bytes private constant START = "{\"affidavit\":{\"a\":\"0x";
    bytes private constant SECOND = "\",\"b\":\"";
    bytes private constant LOG = ",\"log\":{\"origin\":\"";
    bytes private constant LOG_KEY = "\",\"public_key\":\"";

    /// @param signer the receipt key's address
    /// @param notAfterSeconds Unix time in seconds after which the keyset signs nothing
    /// @param logId see `logId`
    struct Keyset {
        address signer;
        uint64 notAfterSeconds;
        bytes32 logId;
    }

    function parse(bytes memory text) internal pure returns (Keyset memory keyset) {
        if (text.length > MAX_LENGTH || text.length < 86) revert KeysetInvalid();
        expect(text, 0, START);
        expect(text, 61, SECOND);
        if (text[84] != "\"") revert KeysetInvalid();
        keyset.signer = address(uint160(hexAt(text, 21, 40)));
        keyset.notAfterSeconds = uint64(hexAt(text, 68, 16));
        if (keyset.signer == address(0)) revert KeysetInvalid();

        uint256 origin = LibBytes.indexOf(text, LOG, 85);
        if (origin == LibBytes.NOT_FOUND) revert KeysetInvalid();
        origin += LOG.length;
        uint256 end = LibBytes.indexOf(text, LOG_KEY, origin);
        if (end == LibBytes.NOT_FOUND || end == origin || end - origin > 255) revert KeysetInvalid();
        bytes32 publicKey = bytes32(hexAt(text, end + LOG_KEY.length, 64));
        keyset.logId = logId(keccak256(LibBytes.slice(text, origin, end)), publicKey);
    }

    /// @notice A log is its origin and its Ed25519 key: keccak256(abi.encode(keccak256(origin), public key)).
    function logId(bytes32 originHash, bytes32 publicKey) internal pure returns (bytes32) {
        return keccak256(abi.encode(originHash, publicKey));
    }

    /// @notice SHA-256 of the ACI attestation statement (aci/1 section 3.2): the first half of a quote's report data.
    function reportDataHead(bytes32 keysetDigest, bytes32 nonce) internal pure returns (bytes32) {
        return sha256(
            abi.encodePacked(
                "{\"keyset_digest\":\"sha256:",
                LibString.toHexStringNoPrefix(uint256(keysetDigest), 32),
                "\",\"nonce\":\"",
                LibString.toHexStringNoPrefix(uint256(nonce), 32),
                "\",\"purpose\":\"aci.report_data.v1\"}"
            )
        );
    }

    function expect(bytes memory text, uint256 offset, bytes memory expected) private pure {
        for (uint256 i = 0; i < expected.length; ++i) {
            if (text[offset + i] != expected[i]) revert KeysetInvalid();
        }
    }

    /// @dev `digits` lower-case hex digits from `offset` on, big-endian.
    function hexAt(bytes memory text, uint256 offset, uint256 digits) private pure returns (uint256 value) {
        if (offset + digits > text.length) revert KeysetInvalid();
        for (uint256 i = offset; i < offset + digits; ++i) {
            uint8 digit = uint8(text[i]);
            if (digit >= 0x30 && digit <= 0x39) digit -= 0x30;
            else if (digit >= 0x61 && digit <= 0x66) digit -= 0x57;
            else revert KeysetInvalid();
            value = (value << 4) | digit;
        }
    }
}
