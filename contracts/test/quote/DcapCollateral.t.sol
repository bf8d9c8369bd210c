// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {DcapCollateral} from "../../src/quote/DcapCollateral.sol";
import {
    CertificateSignatureInvalid,
    CertificateUntrustedRoot,
    CollateralMissing,
    CrlMissing,
    DevelopmentRootRefused
} from "../../src/quote/DcapErrors.sol";
import {IDcapCollateral} from "../../src/quote/IDcapCollateral.sol";
import {QuoteFixture} from "../support/QuoteFixture.sol";

contract DcapCollateralTest is QuoteFixture {
    function root() private view returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile("./test/vectors/tdx-quote.json"), ".root");
    }

    function test_ids_areThoseOfTheClient() public view {
        bytes32 rootId = vm.parseJsonBytes32(vm.readFile("./test/vectors/tdx-quote.json"), ".rootId");
        assertEq(collateral.ROOT_ID(), rootId, "keccak256 of base64");
    }

    function test_developmentRoot_isRefusedOnOtherChains() public {
        bytes memory der = root();
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(DevelopmentRootRefused.selector, 1));
        new DcapCollateral(der, "", "");
        vm.chainId(1337);
        assertTrue(!new DcapCollateral(der, "", "").IS_INTEL(), "never Intel's");
    }

    function testFuzz_changedRoot_isRefused(uint256 position, uint8 mask) public {
        bytes memory der = root();
        if (mask == 0) return;
        der[position % der.length] ^= bytes1(mask);
        vm.expectRevert();
        new DcapCollateral(der, "", "");
    }

    function test_nothingPosted_nothingFound() public {
        DcapCollateral empty = new DcapCollateral(root(), "", "");
        bytes32 rootId = empty.ROOT_ID();
        vm.expectRevert(CertificateUntrustedRoot.selector);
        empty.collateralOf(bytes32(0), 1, bytes8(0));
        vm.expectRevert(CrlMissing.selector);
        empty.collateralOf(rootId, 1, bytes8(0));
        (bool ok, bytes memory answer) = address(empty).call(calls[1]);
        assertTrue(!ok && bytes4(answer) == CrlMissing.selector, "no certificate before the root's CRL");
    }

    function test_otherPlatform_hasNoCollateral() public {
        bytes32 rootId = collateral.ROOT_ID();
        vm.expectRevert(CollateralMissing.selector);
        collateral.collateralOf(rootId, 1, bytes8(0xeeeeeeeeeeeeeeef));
        collateral.collateralOf(rootId, 1, bytes8(0xeeeeeeeeeeeeeeee));
    }

    function test_postingAgain_changesNothing() public {
        bytes32 rootId = collateral.ROOT_ID();
        IDcapCollateral registry = collateral;
        uint40 before = registry.collateralOf(rootId, 1, bytes8(0xeeeeeeeeeeeeeeee)).expiresAtSeconds;
        for (uint256 i = 0; i < COLLATERAL_CALLS; ++i) {
            (bool ok,) = address(collateral).call(calls[i]);
            assertTrue(ok, "again");
        }
        uint40 afterwards = registry.collateralOf(rootId, 1, bytes8(0xeeeeeeeeeeeeeeee)).expiresAtSeconds;
        assertEq(before, afterwards, "expiry");
    }

    /// @dev Each transaction, one byte of what it brings changed: in the document, certificate or CRL, or in a signature.
    function testFuzz_changedCollateral_isRefused(uint256 call, uint256 position, uint8 mask) public {
        call = call % COLLATERAL_CALLS;
        bytes memory data = calls[call];
        if (mask == 0) return;
        data[brought(call, data, position)] ^= bytes1(mask);
        DcapCollateral fresh = new DcapCollateral(root(), "", "");
        for (uint256 i = 0; i < call; ++i) {
            (bool posted,) = address(fresh).call(calls[i]);
            assertTrue(posted, "what comes before");
        }
        (bool ok,) = address(fresh).call(data);
        assertTrue(!ok, "accepted");
    }

    /// @dev A byte that is neither selector nor padding: ABI heads are a word each, the last argument's tail is left out.
    function brought(uint256 call, bytes memory data, uint256 position) private pure returns (uint256) {
        uint256 heads = call == 1 || call == 2 ? 1 : call == 0 || call == 3 ? 2 : 4;
        uint256 lengthAt = 4 + 32 * heads;
        uint256 length;
        assembly ("memory-safe") {
            length := mload(add(add(data, 0x20), lengthAt))
        }
        return lengthAt + 32 + position % length;
    }

    function testFuzz_anySignature_isRefused(bytes32 r, bytes32 s) public {
        (bool ok, bytes memory answer) =
            address(collateral).call(abi.encodeCall(collateral.postTcbInfo, ("{}", r, s, signerId())));
        assertTrue(!ok && answer.length == 4, "a signature");
        // A certificate without one.
        vm.expectRevert(CertificateSignatureInvalid.selector);
        this.forge();
    }

    function forge() external {
        bytes memory der = certificateOf(calls[1]);
        // The last byte of s.
        der[der.length - 1] ^= 0x01;
        collateral.postCertificate(der);
    }

    function signerId() private view returns (bytes32) {
        (,,,, bytes32 id) = collateral.qeIdentity();
        return id;
    }

    function certificateOf(bytes memory call) private pure returns (bytes memory der) {
        bytes memory arguments = new bytes(call.length - 4);
        for (uint256 i = 0; i < arguments.length; ++i) {
            arguments[i] = call[i + 4];
        }
        return abi.decode(arguments, (bytes));
    }
}
