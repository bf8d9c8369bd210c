// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "../support/Fixture.sol";
import {AnchorHandler} from "./AnchorHandler.sol";
import {RegistryHandler} from "./RegistryHandler.sol";

contract RegistryInvariants is Fixture {
    RegistryHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new RegistryHandler(verifier, quoteVerifier, registers);
        registry.transferOwnership(address(handler));
        targetContract(address(handler));
    }

    /// @notice A key is known only where a quote over its keyset and a recent block of this chain verified.
    function invariant_noKeyWithoutEvidence() public view {
        for (uint256 i = 0; i < handler.candidates(); ++i) {
            bytes32 digest = handler.digestOf(i);
            if (registry.keyOf(digest).isKnown()) assertTrue(handler.evidenced(digest), "evidence");
        }
    }

    /// @notice Nothing makes a revoked key count again, and no key outlives its keyset.
    function invariant_revokedForGood() public view {
        for (uint256 i = 0; i < handler.candidates(); ++i) {
            bytes32 digest = handler.digestOf(i);
            if (handler.ended(digest)) {
                assertTrue(!registry.keyOf(digest).isActive(block.timestamp), "revoked");
            }
            assertTrue(registry.keyOf(digest).expiresAtSeconds() <= handler.notAfter(), "not after");
        }
    }
}

contract AnchorInvariants is Fixture {
    AnchorHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new AnchorHandler(anchor, keysetDigest, registry.logOf(keysetDigest), SIGNER_KEY, LOG_KEY);
        targetContract(address(handler));
    }

    /// @notice A log's head only grows, and each head that was ever anchored stays what it was.
    function invariant_anchorsNeverShrink() public view {
        (uint64 size,) = anchor.heads(handler.logId());
        assertEq(size, handler.largest(), "the head is the largest that was anchored");
        for (uint256 i = 0; i < handler.count(); ++i) {
            (uint64 anchored, bytes32 root) = handler.anchoredAt(i);
            assertEq(anchor.roots(handler.logId(), anchored), root, "older heads stay");
        }
    }

    /// @notice All anchored heads belong to one history.
    function invariant_oneHistory() public view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            (uint64 anchored, bytes32 root) = handler.anchoredAt(i);
            assertEq(root, handler.rootOf(handler.history(), anchored), "of the first history");
        }
    }
}
