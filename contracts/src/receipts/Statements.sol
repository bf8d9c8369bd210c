// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice One complete answer. Fields and their meaning: docs/spec/receipt.md.
struct InferenceStatement {
    bytes32 requestId;
    bytes32 modelId;
    bytes32 inputCommitment;
    bytes32 outputDigest;
    bytes32 requestDigest;
    bytes32 responseDigest;
    bytes32 circuitInput;
    bytes32 executionDigest;
    bytes32 keysetDigest;
    bytes32 policyDigest;
    bytes32 requester;
    bytes32 audience;
    bytes32 settlement;
    uint8 promised;
    uint64 promiseDeadlineMs;
    uint64 issuedAtMs;
    uint64 sequence;
}

/// @notice "The statement `subject` is proved" or "is not", by the enclave that verified the proof.
struct Proof {
    bytes32 subject;
    bytes32 circuitId;
    bytes32 instancesDigest;
    bytes32 srsDigest;
    uint64 difference;
    uint8 outcome;
    uint64 issuedAtMs;
}

/// @notice "The statement `subject` was executed again", and what came of it.
struct Reexecution {
    bytes32 subject;
    bytes32 executionDigest;
    uint64 difference;
    uint64 tolerance;
    uint8 outcome;
    uint64 issuedAtMs;
}

/// @notice A log head. Never a leaf of the log itself.
struct Checkpoint {
    string origin;
    uint64 size;
    bytes32 root;
    bytes32 keysetDigest;
    uint64 timeMs;
}

/// @notice "From the leaf `fromIndex` on, `subject` counts no more."
struct Revocation {
    uint8 kind;
    bytes32 subject;
    uint64 fromIndex;
    uint64 issuedAtMs;
}

/// @notice A recoverable secp256k1 signature: v 27 or 28, s in the lower half of the group order (EIP-2).
struct Signature {
    bytes32 r;
    bytes32 s;
    uint8 v;
}

/// @dev `outcome` of a proof or a re-execution; every other value redeems no promise.
uint8 constant OUTCOME_DELIVERED = 1;
/// @dev Bits of `promised` and of what a consumer requires.
uint8 constant PROOF_FLAG = 1;
uint8 constant REEXECUTION_FLAG = 2;
/// @dev `kind` of a `Revocation` whose subject is a keyset.
uint8 constant REVOCATION_OF_KEYSET = 1;
/// @dev Type bytes of leaf data (docs/spec/log.md).
uint8 constant LEAF_INFERENCE_STATEMENT = 1;

/// @title EIP-712 digests of statements, encoded by hand
/// @notice Domain `{name: "Affidavit", version: "1"}`: no chain id, `audience` binds a statement to its consumer. The structs
/// are flat, so that a struct's words lie in calldata as they are hashed. Words are hashed as they came: dirty padding
/// gives another digest than any that was signed.
library StatementDigest {
    /// @dev keccak256(abi.encode(keccak256("EIP712Domain(string name,string version)"), keccak256("Affidavit"), keccak256("1")))
    bytes32 internal constant DOMAIN_SEPARATOR =
        0xf313cf67fb152e76cb1a9765ebe49a45966875612ec8814951d61759336bb022;

    bytes32 internal constant INFERENCE_STATEMENT_TYPEHASH = keccak256(
        "InferenceStatement(bytes32 requestId,bytes32 modelId,bytes32 inputCommitment,bytes32 outputDigest,bytes32 requestDigest,bytes32 responseDigest,bytes32 circuitInput,bytes32 executionDigest,bytes32 keysetDigest,bytes32 policyDigest,bytes32 requester,bytes32 audience,bytes32 settlement,uint8 promised,uint64 promiseDeadlineMs,uint64 issuedAtMs,uint64 sequence)"
    );
    bytes32 internal constant PROOF_TYPEHASH = keccak256(
        "Proof(bytes32 subject,bytes32 circuitId,bytes32 instancesDigest,bytes32 srsDigest,uint64 difference,uint8 outcome,uint64 issuedAtMs)"
    );
    bytes32 internal constant REEXECUTION_TYPEHASH = keccak256(
        "Reexecution(bytes32 subject,bytes32 executionDigest,uint64 difference,uint64 tolerance,uint8 outcome,uint64 issuedAtMs)"
    );
    bytes32 internal constant CHECKPOINT_TYPEHASH =
        keccak256("Checkpoint(string origin,uint64 size,bytes32 root,bytes32 keysetDigest,uint64 timeMs)");
    bytes32 internal constant REVOCATION_TYPEHASH =
        keccak256("Revocation(uint8 kind,bytes32 subject,uint64 fromIndex,uint64 issuedAtMs)");

    function hash(InferenceStatement calldata statement) internal pure returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := statement
        }
        return ofWords(INFERENCE_STATEMENT_TYPEHASH, offset, 17);
    }

    function hash(Proof calldata statement) internal pure returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := statement
        }
        return ofWords(PROOF_TYPEHASH, offset, 7);
    }

    function hash(Reexecution calldata statement) internal pure returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := statement
        }
        return ofWords(REEXECUTION_TYPEHASH, offset, 6);
    }

    function hash(Revocation calldata statement) internal pure returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := statement
        }
        return ofWords(REVOCATION_TYPEHASH, offset, 4);
    }

    function hash(Checkpoint calldata statement) internal pure returns (bytes32) {
        bytes32 structHash = keccak256(
            abi.encode(
                CHECKPOINT_TYPEHASH,
                keccak256(bytes(statement.origin)),
                statement.size,
                statement.root,
                statement.keysetDigest,
                statement.timeMs
            )
        );
        // EIP-712: 0x19 ‖ 0x01 ‖ domain separator ‖ struct hash.
        return keccak256(abi.encodePacked(hex"1901", DOMAIN_SEPARATOR, structHash));
    }

    /// @dev The digest of the struct with `typeHash` whose `count` words start at `offset` of calldata. The scratch lies above
    /// the free memory pointer and is given up again.
    function ofWords(bytes32 typeHash, uint256 offset, uint256 count) private pure returns (bytes32 digest) {
        bytes32 separator = DOMAIN_SEPARATOR;
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            let bytesOfWords := shl(5, count)
            mstore(scratch, typeHash)
            calldatacopy(add(scratch, 0x20), offset, bytesOfWords)
            let structHash := keccak256(scratch, add(bytesOfWords, 0x20))
            mstore(scratch, shl(240, 0x1901))
            mstore(add(scratch, 0x02), separator)
            mstore(add(scratch, 0x22), structHash)
            digest := keccak256(scratch, 0x42)
        }
    }
}
