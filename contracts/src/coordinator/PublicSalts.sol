// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Field salts of public requests
/// @notice A public input is committed to under the all-zero salt, so that its field salts are constants
/// (docs/spec/encoding.md, HKDF-SHA256).
library PublicSalts {
    bytes32 internal constant INPUT = 0x3799f27f39ff92581b7b8455832f3d0d0e4b6cfa70046947e327bd392508159d;
    bytes32 internal constant OUTPUT = 0x129a3c3b105417fc66649821aade5fb8e18a6b7feeebd602cec7fc93035c1648;
}
