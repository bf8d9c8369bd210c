// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice What the registry holds for one platform, all of it in date and none of it revoked.
/// @param issuerX public key of the authority that issued the PCK certificate
/// @param issuerSubject keccak256 of the DER of its Name
/// @param tcbInfo code pointer (SSTORE2) to abi.encode(TcbInfo)
/// @param qeIdentity code pointer (SSTORE2) to abi.encode(QeIdentity)
/// @param evaluationNumber the lower of the two documents' tcbEvaluationDataNumber
/// @param expiresAtSeconds when the first of root, authority, signers, CRLs and documents ends
struct PlatformCollateral {
    uint256 issuerX;
    uint256 issuerY;
    bytes32 issuerSubject;
    address tcbInfo;
    address qeIdentity;
    uint32 evaluationNumber;
    uint40 expiresAtSeconds;
}

/// @notice What a verifier of DCAP quotes asks of a registry of collateral.
interface IDcapCollateral {
    /// @notice `Pem.idOf` of the root.
    function ROOT_ID() external view returns (bytes32);

    /// @notice Whether the root is Intel's. Evidence under any other proves nothing.
    function IS_INTEL() external view returns (bool);

    /// @notice keccak256 of the common name of PCK certificates, or 0 where any name will do.
    function PCK_NAME() external view returns (bytes32);

    /// @notice Reverts unless everything that vouches for this platform's PCK certificate is there, in date and not revoked.
    /// @param issuerId `Pem.idOf` of the certificate that issued it
    /// @param serial its serial number, which the issuer's CRL must not list
    /// @param platform FMSPC (6 bytes) and PCE id (2 bytes)
    function collateralOf(bytes32 issuerId, uint160 serial, bytes8 platform)
        external
        view
        returns (PlatformCollateral memory);
}
