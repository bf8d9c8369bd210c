// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    Checkpoint,
    InferenceStatement,
    Proof,
    Reexecution,
    Revocation,
    Signature,
    StatementDigest
} from "../../src/receipts/Statements.sol";
import {LogTree} from "../../src/receipts/LogTree.sol";

/// @notice Statement digests as Solidity's own `abi.encode` makes them: a second way beside the hand-written one.
library Digests {
    function hash(InferenceStatement memory statement) internal pure returns (bytes32) {
        return typed(keccak256(abi.encode(StatementDigest.INFERENCE_STATEMENT_TYPEHASH, statement)));
    }

    function hash(Proof memory statement) internal pure returns (bytes32) {
        return typed(keccak256(abi.encode(StatementDigest.PROOF_TYPEHASH, statement)));
    }

    function hash(Reexecution memory statement) internal pure returns (bytes32) {
        return typed(keccak256(abi.encode(StatementDigest.REEXECUTION_TYPEHASH, statement)));
    }

    function hash(Revocation memory statement) internal pure returns (bytes32) {
        return typed(keccak256(abi.encode(StatementDigest.REVOCATION_TYPEHASH, statement)));
    }

    function hash(Checkpoint memory statement) internal pure returns (bytes32) {
        return typed(
            keccak256(
                abi.encode(
                    StatementDigest.CHECKPOINT_TYPEHASH,
                    keccak256(bytes(statement.origin)),
                    statement.size,
                    statement.root,
                    statement.keysetDigest,
                    statement.timeMs
                )
            )
        );
    }

    function leaf(uint8 leafType, bytes32 digest, bytes32 keysetDigest, Signature memory signature)
        internal
        pure
        returns (bytes32)
    {
        return sha256(
            bytes.concat(
                hex"0001",
                bytes1(leafType),
                digest,
                keysetDigest,
                signature.r,
                signature.s,
                bytes1(signature.v)
            )
        );
    }

    function typed(bytes32 structHash) private pure returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version)"), keccak256("Affidavit"), keccak256("1")
            )
        );
        return keccak256(bytes.concat(hex"1901", separator, structHash));
    }
}

/// @notice What takes calldata, made callable.
contract Harness {
    function hash(InferenceStatement calldata statement) external pure returns (bytes32) {
        return StatementDigest.hash(statement);
    }

    function hash(Proof calldata statement) external pure returns (bytes32) {
        return StatementDigest.hash(statement);
    }

    function hash(Reexecution calldata statement) external pure returns (bytes32) {
        return StatementDigest.hash(statement);
    }

    function hash(Revocation calldata statement) external pure returns (bytes32) {
        return StatementDigest.hash(statement);
    }

    function hash(Checkpoint calldata statement) external pure returns (bytes32) {
        return StatementDigest.hash(statement);
    }

    function leaf(uint8 leafType, bytes32 digest, bytes32 keysetDigest, Signature calldata signature)
        external
        pure
        returns (bytes32)
    {
        return LogTree.leafHash(leafType, digest, keysetDigest, signature);
    }
}
