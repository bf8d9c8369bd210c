// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EnclaveRegistry} from "../../src/EnclaveRegistry.sol";
import {Technology} from "../../src/interfaces/IQuoteVerifier.sol";
import {DevelopmentQuoteVerifier} from "../../src/quote/DevelopmentQuoteVerifier.sol";
import {Revocation} from "../../src/receipts/Statements.sol";
import {ReferenceValue} from "../../src/registry/ReferenceValue.sol";
import {Setting} from "../../src/registry/TimelockedSettings.sol";
import {Digests} from "../support/Digests.sol";
import {Fixture} from "../support/Fixture.sol";

/// @notice Owner, enclaves and strangers, doing what they may and what they may not.
contract RegistryHandler is Fixture {
    EnclaveRegistry private immutable subject;
    DevelopmentQuoteVerifier private immutable development;
    bytes[8] private texts;
    mapping(bytes32 => bool) public evidenced;
    mapping(bytes32 => bool) public ended;

    constructor(EnclaveRegistry subject_, DevelopmentQuoteVerifier development_, bytes memory registers_) {
        subject = subject_;
        registry = subject_;
        development = development_;
        quoteVerifier = development_;
        registers = registers_;
        for (uint256 i = 0; i < texts.length; ++i) {
            texts[i] = keysetText(vm.addr(i + 1), NOT_AFTER_SECONDS);
        }
    }

    function setUp() public override {}

    function candidates() external view returns (uint256) {
        return texts.length;
    }

    function notAfter() external pure returns (uint256) {
        return NOT_AFTER_SECONDS;
    }

    function digestOf(uint256 index) public view returns (bytes32) {
        return sha256(texts[index % texts.length]);
    }

    function register(uint256 index, uint8 mask) external {
        EnclaveRegistry.Registration memory registration = registrationOf(texts[index % texts.length]);
        if (mask % 4 == 0) registration.mask = uint256(mask) | 1;
        evidenced[subject.register(registration)] = true;
    }

    /// @dev A quote with one byte changed that is compared, or of another keyset, or of an old block.
    function registerForged(uint256 index, uint256 place, uint8 how) external {
        EnclaveRegistry.Registration memory registration = registrationOf(texts[index % texts.length]);
        if (how % 3 == 0) registration.quote[568 + place % 64] ^= bytes1(uint8(1 + place % 255));
        else if (how % 3 == 1) registration.keyset = texts[(index % texts.length + 1) % texts.length];
        else registration.blockNumber -= 1 + place % 200;
        subject.register(registration);
    }

    function list(uint256 index, uint8 mask) external {
        subject.list(digestOf(index), ReferenceValue.id(Technology.Development, registers, uint256(mask) | 1));
    }

    function expel(uint256 index) external {
        subject.expel(digestOf(index));
        ended[digestOf(index)] = true;
    }

    function revoke(uint256 index) external {
        subject.revoke(digestOf(index));
        ended[digestOf(index)] = true;
    }

    function revokeBySignature(uint256 index, uint256 signer, uint256 key, uint8 kind) external {
        bytes32 digest = digestOf(index);
        Revocation memory revocation = Revocation(1 + kind % 2, digest, 0, 0);
        key = key % 3 == 0 ? key % texts.length : signer % texts.length;
        subject.revokeBySignature(revocation, digestOf(signer), sign(key + 1, Digests.hash(revocation)));
        assertTrue(key == signer % texts.length && revocation.kind == 1, "signed by its key, of a keyset");
        ended[digest] = true;
    }

    function change(uint8 what, uint8 value) external {
        Setting setting = Setting(what % 3);
        bytes32 word = bytes32(uint256(value % 2));
        if (setting == Setting.QuoteVerifier) word = bytes32(uint256(uint160(address(development))));
        if (setting == Setting.ReferenceValue) {
            word = ReferenceValue.id(Technology.Development, registers, uint256(value) | 1);
        }
        if (what % 5 == 0) subject.propose(setting, word);
        else if (what % 5 < 4) subject.adopt(setting, word);
        else subject.withdraw(setting, word);
    }

    function pass(uint32 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 2 days);
        vm.roll(block.number + 1);
    }

    /// @dev A stranger changes nothing.
    function intrude(uint8 what, bytes32 word) external {
        vm.prank(address(0xE0));
        if (what % 4 == 0) subject.propose(Setting.ReferenceValue, word);
        else if (what % 4 == 1) subject.revoke(digestOf(uint256(word)));
        else if (what % 4 == 2) subject.setHalted(true);
        else subject.raiseTcbFloor(type(uint32).max);
        revert Untrue("a stranger got through");
    }
}
