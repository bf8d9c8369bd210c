// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IProofVerifier} from "./IERC8274.sol";

/// @title Checks that revert, as a yes or no
/// @notice What the check refuses, for whatever reason, is a no; a lack of gas is none.
abstract contract ProofVerdict is IProofVerifier, IERC165 {
    /// @notice Most of the gas was used up: the check may have failed for want of it, and a caller could have meant it to.
    error GasTooLow();

    bytes32 private immutable deploymentSalt;

    constructor(address verifier) {
        deploymentSalt = keccak256(abi.encode(block.chainid, verifier));
    }

    /// @inheritdoc IProofVerifier
    function verify(bytes32 inputHash, bytes32 outputHash, bytes calldata metadata, bytes calldata proof)
        external
        view
        returns (bool)
    {
        uint256 before = gasleft();
        try this.requireValid(inputHash, outputHash, metadata, proof) {
            return true;
        } catch {
            // Each call below keeps a 64th back, also the last one that runs out of gas; there are four at most.
            if (gasleft() < before / 8) revert GasTooLow();
            return false;
        }
    }

    /// @notice As `verify`, but says why not: reverts unless the proof holds for these hashes.
    function requireValid(
        bytes32 inputHash,
        bytes32 outputHash,
        bytes calldata metadata,
        bytes calldata proof
    ) external view virtual;

    /// @inheritdoc IProofVerifier
    function proofSystem() public pure virtual returns (string memory);

    /// @inheritdoc IProofVerifier
    function proofProfile() external view returns (bytes32) {
        return keccak256(abi.encodePacked(proofSystem(), deploymentSalt));
    }

    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IProofVerifier).interfaceId || interfaceId == type(IERC165).interfaceId;
    }
}
