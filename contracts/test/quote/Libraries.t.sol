// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Base64} from "solady/utils/Base64.sol";
import {DateTimeLib} from "solady/utils/DateTimeLib.sol";
import {LibString} from "solady/utils/LibString.sol";
import {TcbStatus} from "../../src/interfaces/IQuoteVerifier.sol";
import {Base64Decoder} from "../../src/quote/Base64Decoder.sol";
import {Calendar} from "../../src/quote/Calendar.sol";
import {Crl} from "../../src/quote/Crl.sol";
import {CrlMalformed, TcbLevelNotFound} from "../../src/quote/DcapErrors.sol";
import {Der} from "../../src/quote/Der.sol";
import {PlatformLevel, TcbInfo} from "../../src/quote/IntelDocuments.sol";
import {P256Verification} from "../../src/quote/P256Verification.sol";
import {TcbEvaluation} from "../../src/quote/TcbEvaluation.sol";
import {X509} from "../../src/quote/X509.sol";
import {Test} from "../support/Test.sol";

contract QuoteLibrariesTest is Test, P256Verification {
    using Der for Der.Reader;

    function decodeBase64(string memory text) external pure returns (bytes memory) {
        return Base64Decoder.decode(bytes(text));
    }

    function testFuzz_base64_isReadBack(bytes memory data) public view {
        if (data.length == 0) return;
        string memory text = Base64.encode(data);
        assertEq(keccak256(this.decodeBase64(text)), keccak256(data), "the same");
    }

    function testFuzz_base64_takesCanonicalTextAlone(bytes memory data, uint256 position, bytes1 character)
        public
        view
    {
        if (data.length == 0) return;
        string memory text = Base64.encode(data);
        bytes(text)[position % bytes(text).length] = character;
        try this.decodeBase64(text) returns (bytes memory decoded) {
            assertEq(keccak256(bytes(Base64.encode(decoded))), keccak256(bytes(text)), "canonical");
        } catch (bytes memory reason) {
            assertEq(bytes4(reason), Base64Decoder.Base64Malformed.selector, "typed");
        }
    }

    function testFuzz_calendar_agreesWithTheLibrary(uint256 timestamp) public pure {
        // To the end of the year 9999.
        timestamp = timestamp % 253_402_300_800;
        (uint256 year, uint256 month, uint256 day, uint256 hour, uint256 minute, uint256 second) =
            DateTimeLib.timestampToDateTime(timestamp);
        uint256 digits = month * 1e8 + day * 1e6 + hour * 1e4 + minute * 100 + second;
        bytes memory text = bytes(LibString.toString(1e10 + digits));
        uint256 position;
        assembly ("memory-safe") {
            position := add(text, 0x21)
        }
        (bool valid, uint40 value) = Calendar.toSeconds(year, position, 2);
        assertTrue(valid && value == timestamp, "the same second");
    }

    function status(bytes32 required, uint16 pceSvn, bytes32 svns, uint16 havePceSvn)
        external
        pure
        returns (TcbStatus)
    {
        TcbInfo memory info;
        info.levels = new PlatformLevel[](1);
        info.levels[0] = PlatformLevel(required, pceSvn, TcbStatus.OutOfDate);
        return TcbEvaluation.platformStatus(info, svns, havePceSvn);
    }

    function testFuzz_level_isReachedByEveryByte(bytes32 required, bytes32 svns, uint256 swaps, uint16 pceSvn)
        public
        view
    {
        // Most bytes alike, so that both answers are common.
        bool reached = true;
        for (uint256 i = 0; i < 32; ++i) {
            if ((swaps >> i) & 1 == 1) svns = replace(svns, i, required[i]);
            bool ignored = svns[17] != 0 && (i == 16 || i == 17);
            reached = reached && (ignored || svns[i] >= required[i]);
        }
        // Byte 17 of the platform may have changed after bytes 16 and 17 were judged.
        if ((swaps >> 17) & 1 == 1) return;
        try this.status(required, pceSvn, svns, pceSvn) returns (TcbStatus found) {
            assertTrue(reached && found == TcbStatus.OutOfDate, "reached");
        } catch (bytes memory reason) {
            assertTrue(!reached && bytes4(reason) == TcbLevelNotFound.selector, "not reached");
        }
    }

    function replace(bytes32 word, uint256 index, bytes1 value) private pure returns (bytes32) {
        uint256 shift = 8 * (31 - index);
        return bytes32((uint256(word) & ~(uint256(0xff) << shift)) | (uint256(uint8(value)) << shift));
    }

    function test_pceSvn_countsToo() public {
        this.status(0, 5, 0, 5);
        vm.expectRevert(TcbLevelNotFound.selector);
        this.status(0, 5, 0, 4);
    }

    function walk(bytes memory data) external pure returns (uint256 elements) {
        Der.Reader memory reader = Der.reader(data);
        uint256 start = reader.position;
        while (!reader.done()) {
            (uint256 content, uint256 end) = reader.any();
            assertTrue(content <= end && end <= start + data.length, "inside");
            ++elements;
        }
    }

    function testFuzz_der_staysInside(bytes calldata data) public view {
        try this.walk(data) returns (uint256 elements) {
            assertTrue(elements * 2 <= data.length, "two bytes each at least");
        } catch (bytes memory reason) {
            assertTrue(isDerError(bytes4(reason)), "typed");
        }
    }

    function isDerError(bytes4 selector) private pure returns (bool) {
        return selector == Der.DerTruncated.selector || selector == Der.DerLength.selector
            || selector == Der.DerTag.selector;
    }

    function parseCertificate(bytes memory der) external view {
        X509.parse(der);
    }

    function parseCrl(bytes memory der) external view {
        Crl.parse(der);
    }

    function testFuzz_anyBytes_areNoCertificateAndNoCrl(bytes calldata data) public {
        vm.expectRevert();
        this.parseCertificate(data);
        vm.expectRevert();
        this.parseCrl(data);
    }

    function test_crl_entriesHaveATime() public {
        bytes memory time = hex"170d3236303130313030303030305a";
        bytes memory algorithm = hex"300a06082a8648ce3d040302";
        bytes memory entry = hex"30050201051700";
        bytes memory revoked = bytes.concat(hex"301c", entry, entry, entry, entry);
        bytes memory tbs = bytes.concat(hex"304d020101", algorithm, hex"3000", time, time, revoked);
        bytes memory signature = hex"0309003006020101020101";
        bytes memory der = bytes.concat(hex"3066", tbs, algorithm, signature);
        vm.expectRevert(CrlMalformed.selector);
        this.parseCrl(der);
    }

    function testFuzz_derInteger_isReadBack(uint256 value) public pure {
        bytes memory content = abi.encodePacked(value);
        uint256 skip = 0;
        while (skip < 31 && content[skip] == 0) ++skip;
        bytes memory digits = new bytes(32 - skip);
        for (uint256 i = skip; i < 32; ++i) {
            digits[i - skip] = content[i];
        }
        bytes memory sign = uint8(digits[0]) >= 0x80 ? bytes(hex"00") : bytes("");
        bytes memory body = bytes.concat(sign, digits);
        bytes memory der = bytes.concat(hex"02", bytes1(uint8(body.length)), body);
        assertEq(Der.reader(der).unsigned(32), value, "the same");
    }

    function test_precompile_isFoundAndAsked() public view {
        assertTrue(HAS_P256_PRECOMPILE, "on this chain");
        uint256 r = 0x2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e18;
        uint256 s = 0x4cd60b855d442f5b3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76;
        uint256 x = 0x2927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838;
        uint256 y = 0xc7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e;
        bytes32 digest = 0xbb5a52f42f9c9261ed4361f59422a1e30036e7c32b270c8807a419feca605023;
        assertTrue(verifyP256(digest, r, s, x, y), "holds");
        assertTrue(!verifyP256(~digest, r, s, x, y), "of something else");
        assertTrue(!verifyP256(digest, 0, s, x, y) && !verifyP256(digest, r, 0, x, y), "zero");
        assertTrue(!verifyP256(digest, r, s, y, x), "off the curve");
    }
}
