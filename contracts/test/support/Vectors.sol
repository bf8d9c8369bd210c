// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibString} from "solady/utils/LibString.sol";
import {Test} from "./Test.sol";
import {Vm} from "./Vm.sol";

/// @notice The vectors that TypeScript reads too: receipts/vectors, one case a file.
abstract contract Vectors is Test {
    string internal constant FOLDER = "../receipts/vectors";

    /// @notice The texts of the files whose names start with `prefix`.
    function vectors(string memory prefix) internal view returns (string[] memory found) {
        Vm.DirEntry[] memory entries = vm.readDir(FOLDER);
        found = new string[](entries.length);
        uint256 count = 0;
        for (uint256 i = 0; i < entries.length; ++i) {
            string memory path = entries[i].path;
            if (
                LibString.contains(path, string.concat("/vectors/", prefix))
                    && LibString.endsWith(path, ".json")
            ) {
                found[count++] = vm.readFile(path);
            }
        }
        assertTrue(count > 0, "vectors found");
        assembly ("memory-safe") {
            mstore(found, count)
        }
    }

    function vector(string memory name) internal view returns (string memory) {
        return vm.readFile(string.concat(FOLDER, "/", name, ".json"));
    }

    function word(string memory json, string memory key) internal pure returns (bytes32) {
        return vm.parseJsonBytes32(json, key);
    }

    function uint64At(string memory json, string memory key) internal pure returns (uint64) {
        return uint64(vm.parseJsonUint(json, key));
    }

    function isRefused(string memory json) internal view returns (bool) {
        return vm.keyExistsJson(json, ".expected.code");
    }
}
