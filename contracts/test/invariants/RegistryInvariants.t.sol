// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEnclaveRegistry, Key} from "../../src/interfaces/IEnclaveRegistry.sol";
import {Fixture} from "../support/Fixture.sol";
import {RegistryHandler} from "./RegistryHandler.sol";

contract RegistryInvariants is Fixture {
    RegistryHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new RegistryHandler(verifier, quoteVerifier, registers);
        registry.transferOwnership(address(handler));
        targetHandler(address(handler));
    }

    /// @notice A key is known only where a quote over its keyset and a recent block of this chain verified, is listed only by code that
    /// came onto the owner's list, never outlives its keyset, and never counts again once it was ended. After each call
    /// the keyset that it was about is compared, at the end all are.
    function invariant_noKeyWithoutEvidenceAndNoneAfterItsEnd() public view {
        if (registry.halted()) requireHalted();
        else compare(handler.touched());
    }

    function afterInvariant() public {
        if (registry.halted()) {
            vm.prank(address(handler));
            registry.setHalted(false);
        }
        for (uint256 i = 0; i < handler.candidates(); ++i) {
            compare(i);
        }
        requireShares(handler.calls(), handler.done(), handler.refused());
    }

    function compare(uint256 index) private view {
        bytes32 digest = handler.digestOf(index);
        Key key = registry.keyOf(digest);
        if (!key.isKnown()) return;
        assertTrue(handler.evidenced(digest), "evidence");
        assertTrue(key.expiresAtSeconds() <= handler.notAfter(), "not after");
        if (handler.ended(digest)) assertTrue(!key.isActive(block.timestamp), "ended");
        if (!key.isListed()) return;
        (, bytes32 referenceValueId,,) = registry.enrolments(digest);
        assertTrue(registry.matched(digest, referenceValueId), "of code that its quote showed");
        assertTrue(handler.everInForce(referenceValueId), "which the owner listed");
    }

    function requireHalted() private view {
        try registry.keyOf(keysetDigest) returns (Key) {
            revert Untrue("a halt stops every verification");
        } catch (bytes memory reason) {
            assertEq(bytes32(reason), bytes32(IEnclaveRegistry.Halted.selector), "halted");
        }
    }
}
