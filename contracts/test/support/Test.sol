// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "./Vm.sol";

/// @notice What a contract of tests starts from: cheat codes, assertions, and the targets of an invariant run.
abstract contract Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address[] private targets;
    FuzzSelector[] private excluded;

    error Different(bytes32 left, bytes32 right, string what);
    error Untrue(string what);

    function targetContracts() external view returns (address[] memory) {
        return targets;
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory) {
        return excluded;
    }

    /// @dev Its functions are called, but for the `setUp` that it has from its fixture.
    function targetHandler(address handler) internal {
        targets.push(handler);
        exclude(handler, bytes4(keccak256("setUp()")));
    }

    function exclude(address handler, bytes4 selector) internal {
        bytes4[] memory one = new bytes4[](1);
        one[0] = selector;
        excluded.push(FuzzSelector(handler, one));
    }

    /// @notice That a run of an invariant did something: one call in sixteen went through, one in sixteen was refused, at least. Not
    /// of a sequence that forge has shortened.
    function requireShares(uint256 calls, uint256 done, uint256 refused) internal pure {
        if (calls < 32) return;
        assertTrue(done * 16 >= calls, "a share of the calls went through");
        assertTrue(refused * 16 >= calls, "a share of the calls was refused");
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert Untrue(what);
    }

    function assertEq(bytes32 left, bytes32 right, string memory what) internal pure {
        if (left != right) revert Different(left, right, what);
    }

    function assertEq(uint256 left, uint256 right, string memory what) internal pure {
        assertEq(bytes32(left), bytes32(right), what);
    }

    function assertEq(address left, address right, string memory what) internal pure {
        assertEq(uint256(uint160(left)), uint256(uint160(right)), what);
    }

    /// @dev Inclusive bounds.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }
}
