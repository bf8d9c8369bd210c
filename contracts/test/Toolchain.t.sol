// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "./support/Test.sol";

/// @notice What the contracts expect of the chain that the tests run on.
contract ToolchainTest is Test {
    /// @dev EIP-7951: the answer to a valid signature is the word 1, to a bad one nothing.
    function test_p256PrecompileAnswers() public view {
        // The first case of Wycheproof's ecdsa_secp256r1_sha256_p1363 that EIP-7951 lists.
        bytes memory input = hex"bb5a52f42f9c9261ed4361f59422a1e30036e7c32b270c8807a419feca605023"
            hex"2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e18"
            hex"4cd60b855d442f5b3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76"
            hex"2927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838"
            hex"c7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e";
        (bool ok, bytes memory answer) = address(0x100).staticcall(input);
        assertTrue(ok && answer.length == 32, "the precompile answers");
        assertEq(abi.decode(answer, (uint256)), 1, "a valid signature");
        input[40] ^= 0x01;
        (ok, answer) = address(0x100).staticcall(input);
        assertTrue(ok && answer.length == 0, "a bad signature");
    }

    function test_selfTest_assertionsFail() public {
        vm.expectRevert(
            abi.encodeWithSelector(Different.selector, bytes32(uint256(1)), bytes32(uint256(2)), "x")
        );
        this.differ();
    }

    function differ() external pure {
        assertEq(uint256(1), uint256(2), "x");
    }
}
