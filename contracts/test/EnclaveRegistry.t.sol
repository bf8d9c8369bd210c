// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ownable} from "solady/auth/Ownable.sol";
import {EnclaveRegistry} from "../src/EnclaveRegistry.sol";
import {DEVELOPMENT_FLAG, IEnclaveRegistry, Key, LISTED_FLAG} from "../src/interfaces/IEnclaveRegistry.sol";
import {IQuoteVerifier, TcbStatus, Technology} from "../src/interfaces/IQuoteVerifier.sol";
import {DevelopmentQuoteVerifier} from "../src/quote/DevelopmentQuoteVerifier.sol";
import {Revocation} from "../src/receipts/Statements.sol";
import {KeysetText} from "../src/registry/KeysetText.sol";
import {ReferenceValue} from "../src/registry/ReferenceValue.sol";
import {Setting, TimelockedSettings} from "../src/registry/TimelockedSettings.sol";
import {Digests} from "./support/Digests.sol";
import {Fixture} from "./support/Fixture.sol";

contract EnclaveRegistryTest is Fixture {
    function test_registeredKeyset() public view {
        Key key = registry.keyOf(keysetDigest);
        assertEq(key.signer(), vm.addr(SIGNER_KEY), "signer");
        assertEq(key.expiresAtSeconds(), NOT_AFTER_SECONDS, "the keyset ends before its evidence");
        assertEq(key.flags(), LISTED_FLAG | DEVELOPMENT_FLAG, "flags");
        assertEq(registry.logOf(keysetDigest), KeysetText.logId(keccak256(bytes(ORIGIN)), LOG_KEY), "log");
    }

    function test_theEarlierEndCounts() public {
        bytes memory text = keysetText(address(0xAA), uint64(START_SECONDS + 365 days));
        bytes32 digest = registry.register(registrationOf(text));
        assertEq(
            registry.keyOf(digest).expiresAtSeconds(), START_SECONDS + 30 days, "the evidence ends first"
        );
    }

    function test_anEndedKeysetIsRefused() public {
        bytes memory text = keysetText(address(0xAA), uint64(START_SECONDS - 1));
        EnclaveRegistry.Registration memory registration = registrationOf(text);
        vm.expectRevert(abi.encodeWithSelector(EnclaveRegistry.AlreadyExpired.selector, START_SECONDS - 1));
        registry.register(registration);
    }

    function test_aQuoteOfAnotherKeysetIsRefused() public {
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        registration.keyset = keysetText(address(0xBAD), NOT_AFTER_SECONDS);
        vm.expectRevert(IQuoteVerifier.ReportDataMismatch.selector);
        registry.register(registration);
    }

    function test_aQuoteForAnotherRegistryIsRefused() public {
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        address[] memory verifiers = new address[](1);
        verifiers[0] = address(quoteVerifier);
        EnclaveRegistry other = new EnclaveRegistry(address(this), 0, verifiers, new bytes32[](0), 1, 0);
        vm.expectRevert(IQuoteVerifier.ReportDataMismatch.selector);
        other.register(registration);
    }

    function test_anOldNonceIsRefused() public {
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        vm.roll(block.number + 257);
        vm.expectRevert(
            abi.encodeWithSelector(EnclaveRegistry.BlockUnknown.selector, registration.blockNumber)
        );
        registry.register(registration);
    }

    function test_aFutureBlockIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(EnclaveRegistry.BlockUnknown.selector, block.number));
        registry.nonceAt(block.number);
    }

    function test_anUnknownVerifierIsRefused() public {
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        registration.verifier = new DevelopmentQuoteVerifier();
        vm.expectRevert(
            abi.encodeWithSelector(
                EnclaveRegistry.VerifierNotInForce.selector, address(registration.verifier)
            )
        );
        registry.register(registration);
    }

    function test_debugIsRefused() public {
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        registration.quote[48 + 120] = 0x01;
        vm.expectRevert(IQuoteVerifier.DebugEnclave.selector);
        registry.register(registration);
    }

    function test_statusAndFloorHold() public {
        registry.withdraw(Setting.TcbStatus, bytes32(uint256(TcbStatus.UpToDate)));
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        vm.expectRevert(
            abi.encodeWithSelector(EnclaveRegistry.TcbStatusNotAccepted.selector, TcbStatus.UpToDate)
        );
        registry.register(registration);
        adopt(Setting.TcbStatus, bytes32(uint256(TcbStatus.UpToDate)));
        registry.raiseTcbFloor(17);
        registration = registrationOf(keyset);
        vm.expectRevert(abi.encodeWithSelector(EnclaveRegistry.TcbBelowFloor.selector, 0, 17));
        registry.register(registration);
        vm.expectRevert(abi.encodeWithSelector(TimelockedSettings.FloorLowered.selector, 17, 16));
        registry.raiseTcbFloor(16);
    }

    function test_aWithdrawnStatusIsProposedNoMore() public {
        bytes32 outOfDate = bytes32(uint256(TcbStatus.OutOfDate));
        registry.propose(Setting.TcbStatus, outOfDate);
        registry.withdraw(Setting.TcbStatus, outOfDate);
        vm.warp(block.timestamp + 1 days);
        bytes32 change = registry.changeId(Setting.TcbStatus, outOfDate);
        vm.expectRevert(abi.encodeWithSelector(TimelockedSettings.NotReady.selector, change, 0));
        registry.adopt(Setting.TcbStatus, outOfDate);
        bytes memory unknown =
            abi.encodeWithSelector(TimelockedSettings.StatusUnknown.selector, bytes32(uint256(7)));
        vm.expectRevert(unknown);
        registry.propose(Setting.TcbStatus, bytes32(uint256(7)));
        vm.expectRevert(unknown);
        new EnclaveRegistry(address(this), 1 days, new address[](0), new bytes32[](0), 0x81, 0);
    }

    function test_otherCodeIsNotListed() public {
        registers[47] ^= 0x01;
        bytes memory text = keysetText(address(0xAA), NOT_AFTER_SECONDS);
        bytes32 digest = registry.register(registrationOf(text));
        assertEq(registry.keyOf(digest).flags(), DEVELOPMENT_FLAG, "unlisted");

        bytes32 other = ReferenceValue.id(Technology.Development, registers, MASK);
        vm.expectRevert(abi.encodeWithSelector(EnclaveRegistry.ReferenceValueNotAccepted.selector, other));
        registry.list(digest, other);
        vm.expectRevert(
            abi.encodeWithSelector(EnclaveRegistry.ReferenceValueNotAccepted.selector, referenceValueId)
        );
        registry.list(digest, referenceValueId);
        adopt(Setting.ReferenceValue, other);
        registry.list(digest, other);
        assertEq(registry.keyOf(digest).flags(), DEVELOPMENT_FLAG | LISTED_FLAG, "listed");
    }

    function test_registersOutsideTheMaskDoNotMatter() public {
        registers[383] ^= 0x01;
        bytes32 digest = registry.register(registrationOf(keysetText(address(0xAA), NOT_AFTER_SECONDS)));
        assertEq(registry.keyOf(digest).flags(), DEVELOPMENT_FLAG | LISTED_FLAG, "listed");
    }

    function test_aMaskWithoutTheFirstRegisterIsRefused() public {
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        registration.mask = 0x70;
        vm.expectRevert(ReferenceValue.MaskInvalid.selector);
        registry.register(registration);
        registration.mask = 0x171;
        vm.expectRevert(ReferenceValue.MaskInvalid.selector);
        registry.register(registration);
    }

    function test_renewalMayNotUnlist() public {
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        registration.mask = 0x01;
        vm.expectRevert(abi.encodeWithSelector(EnclaveRegistry.NoRenewal.selector, keysetDigest));
        registry.register(registration);
        registration.mask = MASK;
        registry.register(registration);
    }

    /// @dev Anyone renews, under a mask of their choice: not so that the withdrawal of the other value expels it.
    function test_aRenewalKeepsTheCodeThatListsIt() public {
        bytes32 other = alsoListed();
        registry.withdraw(Setting.ReferenceValue, other);
        vm.expectRevert(abi.encodeWithSelector(EnclaveRegistry.StillAccepted.selector, keysetDigest));
        registry.expel(keysetDigest);
    }

    function test_theOwnerMovesAKeysetBeforeItsCodeIsWithdrawn() public {
        bytes32 other = alsoListed();
        vm.prank(address(0xE0));
        vm.expectRevert(abi.encodeWithSelector(EnclaveRegistry.AlreadyListed.selector, keysetDigest));
        registry.list(keysetDigest, other);
        registry.list(keysetDigest, other);
        registry.withdraw(Setting.ReferenceValue, referenceValueId);
        vm.expectRevert(abi.encodeWithSelector(EnclaveRegistry.StillAccepted.selector, keysetDigest));
        registry.expel(keysetDigest);
        registry.withdraw(Setting.ReferenceValue, other);
        registry.expel(keysetDigest);
    }

    /// @dev A second reference value in force, which the keyset's newer quote matches.
    function alsoListed() private returns (bytes32 other) {
        other = ReferenceValue.id(Technology.Development, registers, 1);
        adopt(Setting.ReferenceValue, other);
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        registration.mask = 1;
        registry.register(registration);
        assertTrue(registry.matched(keysetDigest, other), "matched");
    }

    function test_wideningWaitsForTheTimelock() public {
        bytes32 value = keccak256("another image");
        bytes32 change = registry.changeId(Setting.ReferenceValue, value);
        vm.expectRevert(abi.encodeWithSelector(TimelockedSettings.NotReady.selector, change, 0));
        registry.adopt(Setting.ReferenceValue, value);
        registry.propose(Setting.ReferenceValue, value);
        uint256 ready = block.timestamp + 1 days;
        vm.warp(ready - 1);
        vm.expectRevert(abi.encodeWithSelector(TimelockedSettings.NotReady.selector, change, ready));
        registry.adopt(Setting.ReferenceValue, value);
        vm.warp(ready + 14 days + 1);
        vm.expectRevert(abi.encodeWithSelector(TimelockedSettings.NotReady.selector, change, ready));
        registry.adopt(Setting.ReferenceValue, value);
        vm.warp(ready);
        registry.adopt(Setting.ReferenceValue, value);
        assertTrue(registry.inForce(Setting.ReferenceValue, value), "in force");
        registry.withdraw(Setting.ReferenceValue, value);
        assertTrue(!registry.inForce(Setting.ReferenceValue, value), "withdrawn at once");
    }

    function test_onlyTheOwnerSets() public {
        vm.startPrank(address(0xE0));
        vm.expectRevert(Ownable.Unauthorized.selector);
        registry.propose(Setting.ReferenceValue, 0);
        vm.expectRevert(Ownable.Unauthorized.selector);
        registry.adopt(Setting.ReferenceValue, 0);
        vm.expectRevert(Ownable.Unauthorized.selector);
        registry.withdraw(Setting.ReferenceValue, 0);
        vm.expectRevert(Ownable.Unauthorized.selector);
        registry.raiseTcbFloor(1);
        vm.expectRevert(Ownable.Unauthorized.selector);
        registry.setHalted(true);
        vm.expectRevert(Ownable.Unauthorized.selector);
        registry.revoke(keysetDigest);
    }

    function test_revokedStaysRevoked() public {
        registry.revoke(keysetDigest);
        assertEq(registry.keyOf(keysetDigest).revokedAtSeconds(), block.timestamp, "since now");
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        vm.expectRevert(abi.encodeWithSelector(EnclaveRegistry.AlreadyRevoked.selector, keysetDigest));
        registry.register(registration);
        vm.expectRevert(abi.encodeWithSelector(IEnclaveRegistry.KeysetUnknown.selector, bytes32(uint256(1))));
        registry.revoke(bytes32(uint256(1)));
    }

    function test_expelledWhenWhatItRestsOnIsWithdrawn() public {
        vm.expectRevert(abi.encodeWithSelector(EnclaveRegistry.StillAccepted.selector, keysetDigest));
        registry.expel(keysetDigest);
        registry.withdraw(Setting.ReferenceValue, referenceValueId);
        vm.prank(address(0xE0));
        registry.expel(keysetDigest);
        assertEq(registry.keyOf(keysetDigest).revokedAtSeconds(), block.timestamp, "revoked");
    }

    function test_expelledBelowTheFloor() public {
        registry.raiseTcbFloor(1);
        registry.expel(keysetDigest);
        assertEq(registry.keyOf(keysetDigest).revokedAtSeconds(), block.timestamp, "revoked");
    }

    function test_expelledWithItsVerifier() public {
        registry.withdraw(Setting.QuoteVerifier, bytes32(uint256(uint160(address(quoteVerifier)))));
        registry.expel(keysetDigest);
        assertEq(registry.keyOf(keysetDigest).revokedAtSeconds(), block.timestamp, "revoked");
    }

    function test_revokedByItsLog() public {
        uint256 otherKey = uint256(keccak256("another receipt key"));
        bytes32 other = registry.register(registrationOf(keysetText(vm.addr(otherKey), NOT_AFTER_SECONDS)));
        Revocation memory revocation = Revocation(1, keysetDigest, 5, uint64(block.timestamp * 1000));
        bytes32 digest = Digests.hash(revocation);
        vm.expectRevert(EnclaveRegistry.RevocationInvalid.selector);
        registry.revokeBySignature(revocation, other, sign(SIGNER_KEY, digest));
        registry.revokeBySignature(revocation, other, sign(otherKey, digest));
        assertEq(registry.keyOf(keysetDigest).revokedAtSeconds(), block.timestamp, "revoked");
    }

    function test_anotherKindOfRevocationIsRefused() public {
        Revocation memory revocation = Revocation(2, keysetDigest, 5, 1);
        vm.expectRevert(EnclaveRegistry.RevocationInvalid.selector);
        registry.revokeBySignature(revocation, keysetDigest, sign(SIGNER_KEY, Digests.hash(revocation)));
    }

    function test_haltStopsRegistrationAndReading() public {
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        registry.setHalted(true);
        vm.expectRevert(IEnclaveRegistry.Halted.selector);
        registry.keyOf(keysetDigest);
        vm.expectRevert(IEnclaveRegistry.Halted.selector);
        registry.register(registration);
        registry.setHalted(false);
        registry.register(registration);
    }

    function test_developmentIsForDevelopmentChains() public {
        EnclaveRegistry.Registration memory registration = registrationOf(keyset);
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(DevelopmentQuoteVerifier.DevelopmentChainsOnly.selector, 1));
        registry.register(registration);
        vm.expectRevert(abi.encodeWithSelector(DevelopmentQuoteVerifier.DevelopmentChainsOnly.selector, 1));
        new DevelopmentQuoteVerifier();
        vm.expectRevert(abi.encodeWithSelector(TimelockedSettings.DelayTooShort.selector, 0));
        new EnclaveRegistry(address(this), 0, new address[](0), new bytes32[](0), 1, 0);
    }

    function testFuzz_corruptQuotesAreRefusedOrUnlisted(uint256 place, uint8 bit) public {
        EnclaveRegistry.Registration memory registration =
            registrationOf(keysetText(address(0xAA), NOT_AFTER_SECONDS));
        place = bound(place, 0, 48 + 584 - 1);
        registration.quote[place] ^= bytes1(uint8(1) << (bit % 8));
        try registry.register(registration) returns (bytes32 digest) {
            bool measured = place >= 48 + 136 && place < 48 + 520;
            assertTrue(measured || (place >= 8 && place < 48 + 136), "a byte that is not compared");
            bool chosen = measured && (MASK >> ((place - 48 - 136) / 48)) & 1 == 1;
            uint8 expected = chosen ? DEVELOPMENT_FLAG : DEVELOPMENT_FLAG | LISTED_FLAG;
            assertEq(registry.keyOf(digest).flags(), expected, "flags");
        } catch {
            bool read = place < 8 || place >= 48 + 520 || place == 48 + 120;
            assertTrue(read, "refused for what is read");
        }
    }

    function adopt(Setting setting, bytes32 value) private {
        registry.propose(setting, value);
        vm.warp(block.timestamp + 1 days);
        registry.adopt(setting, value);
    }
}
