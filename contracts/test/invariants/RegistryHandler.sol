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

/// @notice Owner, enclaves and strangers, doing what they may and what they may not. What happened is kept beside the registry.
contract RegistryHandler is Fixture {
    uint256 private constant CANDIDATES = 64;
    EnclaveRegistry private immutable subject;
    bytes[CANDIDATES] private texts;
    bytes32[CANDIDATES] private digests;
    uint256[9] private masks = [MASK, 1, 3, 5, 7, 9, 11, 13, 15];
    bytes32[9] private values;
    /// @notice Keysets over which, and over a recent block, a quote verified.
    mapping(bytes32 keysetDigest => bool) public evidenced;
    mapping(bytes32 keysetDigest => bool) public ended;
    mapping(bytes32 referenceValueId => bool) public everInForce;
    uint256 public touched;
    uint256 public calls;
    uint256 public done;
    uint256 public refused;

    constructor(EnclaveRegistry subject_, DevelopmentQuoteVerifier development, bytes memory registers_) {
        (subject, registry, quoteVerifier, registers) = (subject_, subject_, development, registers_);
        for (uint256 i = 0; i < CANDIDATES; ++i) {
            texts[i] = keysetText(vm.addr(i + 1), NOT_AFTER_SECONDS);
            digests[i] = sha256(texts[i]);
        }
        for (uint256 i = 0; i < masks.length; ++i) {
            values[i] = ReferenceValue.id(Technology.Development, registers, masks[i]);
        }
        everInForce[values[0]] = true;
    }

    function setUp() public override {}

    function candidates() external pure returns (uint256) {
        return CANDIDATES;
    }

    function notAfter() external pure returns (uint256) {
        return NOT_AFTER_SECONDS;
    }

    function digestOf(uint256 index) external view returns (bytes32) {
        return digests[index];
    }

    function register(uint256 index, uint8 choice) external {
        bytes32 digest = touch(index);
        EnclaveRegistry.Registration memory registration = registrationOf(texts[touched]);
        if (choice % 4 == 0) registration.mask = masks[choice % 9];
        if (attempt(abi.encodeCall(registry.register, (registration)))) evidenced[digest] = true;
    }

    /// @notice A quote with one byte changed that is compared, or of another keyset, or of an older block.
    function registerForged(uint256 index, uint256 place, uint8 how) external {
        touch(index);
        EnclaveRegistry.Registration memory registration = registrationOf(texts[touched]);
        if (how % 3 == 0) registration.quote[568 + place % 64] ^= bytes1(uint8(1 + place % 255));
        else if (how % 3 == 1) registration.keyset = texts[(touched + 1) % CANDIDATES];
        else registration.blockNumber -= 1 + place % 200;
        refuse(abi.encodeCall(registry.register, (registration)));
    }

    function list(uint256 index, uint8 choice) external {
        bytes32 digest = touch(index);
        bytes32 value = values[choice % 9];
        if (!attempt(abi.encodeCall(registry.list, (digest, value)))) return;
        assertTrue(
            registry.matched(digest, value) && registry.inForce(Setting.ReferenceValue, value), "listed"
        );
    }

    function expel(uint256 index) external {
        bytes32 digest = touch(index);
        if (attempt(abi.encodeCall(registry.expel, (digest)))) ended[digest] = true;
    }

    /// @dev Seldom, so that a run keeps keysets to the end.
    function revoke(uint256 index) external {
        bytes32 digest = touch(index);
        if (index % 3 == 0 && attempt(abi.encodeCall(registry.revoke, (digest)))) ended[digest] = true;
    }

    function revokeBySignature(uint256 index, uint256 signer, uint256 key, uint8 kind) external {
        bytes32 digest = touch(index);
        Revocation memory revocation = Revocation(1 + kind % 2, digest, 0, 0);
        signer = signer % CANDIDATES;
        key = key % 3 == 0 ? key % CANDIDATES : signer;
        bool honest = key == signer && revocation.kind == 1;
        bytes memory data = abi.encodeCall(
            registry.revokeBySignature, (revocation, digests[signer], sign(key + 1, Digests.hash(revocation)))
        );
        if (!honest) refuse(data);
        else if (attempt(data)) ended[digest] = true;
    }

    function change(uint8 what, uint8 which, uint8 choice) external {
        ++calls;
        Setting setting = Setting.ReferenceValue;
        bytes32 value = values[choice % 9];
        if (which % 8 == 0) {
            (setting, value) = (Setting.QuoteVerifier, bytes32(uint256(uint160(address(quoteVerifier)))));
        }
        if (which % 8 == 1) (setting, value) = (Setting.TcbStatus, bytes32(uint256(choice % 2)));
        if (what % 8 < 4) {
            attempt(abi.encodeCall(registry.propose, (setting, value)));
        } else if (what % 8 < 7) {
            bool ready = registry.readyAtSeconds(registry.changeId(setting, value)) != 0;
            bool adopted = attempt(abi.encodeCall(registry.adopt, (setting, value)));
            assertTrue(ready || !adopted, "proposed before");
            if (adopted && setting == Setting.ReferenceValue) everInForce[value] = true;
        } else {
            attempt(abi.encodeCall(registry.withdraw, (setting, value)));
        }
    }

    function halt(uint8 choice) external {
        ++calls;
        attempt(abi.encodeCall(registry.setHalted, (choice % 8 == 0)));
    }

    function pass(uint32 seconds_) external {
        ++calls;
        vm.warp(block.timestamp + seconds_ % (seconds_ % 16 == 0 ? 1 days : 2 hours));
        vm.roll(block.number + 1);
        ++done;
    }

    /// @notice A stranger changes nothing.
    function intrude(uint8 what, bytes32 word) external {
        bytes32 digest = touch(uint256(word));
        vm.startPrank(address(0xE0));
        if (what % 5 == 0) refuse(abi.encodeCall(registry.propose, (Setting.ReferenceValue, word)));
        else if (what % 5 == 1) refuse(abi.encodeCall(registry.revoke, (digest)));
        else if (what % 5 == 2) refuse(abi.encodeCall(registry.setHalted, (true)));
        else if (what % 5 == 3) refuse(abi.encodeCall(registry.raiseTcbFloor, (type(uint32).max)));
        else refuse(abi.encodeCall(registry.withdraw, (Setting.ReferenceValue, values[0])));
        vm.stopPrank();
    }

    function touch(uint256 index) private returns (bytes32) {
        ++calls;
        touched = index % CANDIDATES;
        return digests[touched];
    }

    function attempt(bytes memory data) private returns (bool ok) {
        (ok,) = address(subject).call(data);
        if (ok) ++done;
    }

    function refuse(bytes memory data) private {
        (bool ok,) = address(subject).call(data);
        assertTrue(!ok, "refused");
        ++refused;
    }
}
