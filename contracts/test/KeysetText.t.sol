// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {KeysetText} from "../src/registry/KeysetText.sol";
import {Fixture} from "./support/Fixture.sol";
import {Vectors} from "./support/Vectors.sol";

contract KeysetTextTest is Fixture, Vectors {
    function parse(bytes memory text) external pure returns (KeysetText.Keyset memory) {
        return KeysetText.parse(text);
    }

    function test_keysetOfTheVectors() public view {
        string memory json = vector("keyset");
        bytes memory text = bytes(vm.parseJsonString(json, ".input.text"));
        KeysetText.Keyset memory parsed = this.parse(text);
        assertEq(parsed.signer, vm.parseJsonAddress(json, ".expected.receiptAddress"), "signer");
        assertEq(parsed.notAfterSeconds, uint64At(json, ".expected.notAfterSeconds"), "not after");
        bytes32 digest = sha256(text);
        assertEq(digest, word(json, ".expected.digest"), "digest");
        bytes memory reportData = vm.parseJsonBytes(json, ".expected.reportData");
        bytes32 head = KeysetText.reportDataHead(digest, word(json, ".input.nonce"));
        assertEq(head, bytes32(reportData), "report data");
        bytes32 logKey = 0x3f620a7e1298bf94acd54e54cb23792420e7494310487470b1963655220d7a39;
        assertEq(parsed.logId, KeysetText.logId(keccak256("log.example/vectors"), logKey), "log");
    }

    function test_logOfTheFixture() public view {
        assertEq(this.parse(keyset).logId, KeysetText.logId(keccak256(bytes(ORIGIN)), LOG_KEY), "log id");
    }

    function test_anyChangeOfThePrefixIsRefusedOrRead() public {
        bytes memory text = keyset;
        for (uint256 i = 0; i < 85; ++i) {
            bool digit = (i >= 21 && i < 61) || (i >= 68 && i < 84);
            bytes1 old = text[i];
            // Upper case is another spelling of the same digits: there is one.
            text[i] = digit ? bytes1("A") : bytes1("x");
            if (old != text[i]) {
                vm.expectRevert(KeysetText.KeysetInvalid.selector);
                this.parse(text);
            }
            text[i] = old;
        }
    }

    function test_textWithoutALogIsRefused() public {
        bytes memory text = keyset;
        uint256 place = 0;
        while (text[place] != "o" || text[place + 1] != "r" || text[place + 2] != "i") ++place;
        text[place] = "O";
        vm.expectRevert(KeysetText.KeysetInvalid.selector);
        this.parse(text);
    }

    function test_shortAndLongTextsAreRefused() public {
        vm.expectRevert(KeysetText.KeysetInvalid.selector);
        this.parse("");
        vm.expectRevert(KeysetText.KeysetInvalid.selector);
        this.parse(bytes.concat(keyset, new bytes(65_536)));
    }

    function testFuzz_truncatedTextsNeverPanic(uint256 length) public {
        bytes memory text = keyset;
        length = bound(length, 0, 250);
        assembly ("memory-safe") {
            mstore(text, length)
        }
        vm.expectRevert(KeysetText.KeysetInvalid.selector);
        this.parse(text);
    }
}
