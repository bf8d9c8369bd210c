// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {DcapCollateral} from "../../src/quote/DcapCollateral.sol";
import {TdxQuoteVerifier} from "../../src/quote/TdxQuoteVerifier.sol";
import {Test} from "./Test.sol";

/// @notice The contracts that verify TDX quotes, with the collateral of test/vectors/tdx-quote.json posted.
abstract contract QuoteFixture is Test {
    uint256 internal constant COLLATERAL_CALLS = 6;

    DcapCollateral internal collateral;
    TdxQuoteVerifier internal verifier;
    bytes[COLLATERAL_CALLS] internal calls;
    bytes internal quote;
    bytes32 internal reportDataHead;

    function setUp() public virtual {
        string memory vector = vm.readFile("./test/vectors/tdx-quote.json");
        vm.warp(vm.parseJsonUint(vector, ".nowSeconds"));
        collateral = new DcapCollateral(vm.parseJsonBytes(vector, ".root"), "", "");
        verifier = new TdxQuoteVerifier(collateral);
        quote = vm.parseJsonBytes(vector, ".quote");
        reportDataHead = vm.parseJsonBytes32(vector, ".reportDataHead");
        string[COLLATERAL_CALLS] memory places = ["0", "1", "2", "3", "4", "5"];
        for (uint256 i = 0; i < COLLATERAL_CALLS; ++i) {
            calls[i] = vm.parseJsonBytes(vector, string.concat(".calls[", places[i], "]"));
            (bool ok,) = address(collateral).call(calls[i]);
            assertTrue(ok, places[i]);
        }
    }
}
