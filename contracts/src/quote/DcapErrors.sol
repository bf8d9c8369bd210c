// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

// Why a quote, a certificate or collateral is refused. Each name is the code of the TypeScript verifier in Pascal case
// (`quote_truncated`, docs/spec/appraisal-dcap.md), so that a refusal on chain and one off chain can be compared; DER that
// cannot be read is an error of `Der`, a JSON document that cannot, `CollateralMalformed`. `refusalCode` in client/chain/quote.ts knows the exceptions.

// The quote's bytes.
error QuoteTruncated();
error QuoteMalformed();
error QuoteTrailingBytes();
error QuoteVersionUnsupported(uint256 version);
error QuoteKeyTypeUnsupported(uint256 keyType);
error QuoteTeeTypeUnsupported(uint256 teeType);
error QuoteVendorUnknown(bytes16 vendor);
error QuoteCertificationUnsupported(uint256 certificationType);
error PckChainMissing();
error PckChainLength(uint256 certificates);
error PckExtensionMalformed();

// Certificates and CRLs (RFC 5280).
error CertificateMalformed();
error CertificateAlgorithmUnsupported();
error CertificateIssuerMismatch();
error CertificateSignatureInvalid();
error CertificateNotYetValid(uint256 notBeforeSeconds);
error CertificateExpired(uint256 notAfterSeconds);
error CertificateNotCa();
error CertificateCaAsLeaf();
error CertificateKeyUsage();
error CertificatePathLength();
error CertificateCriticalExtension(bytes32 oid);
error CertificateRevoked(uint256 serial);
error CertificateUntrustedRoot();
error CertificateSubjectUnexpected();
error CrlMissing();
error CrlMalformed();
error CrlIssuerMismatch();
error CrlSignatureInvalid();
error CrlNotYetValid(uint256 thisUpdateSeconds);
error CrlExpired(uint256 nextUpdateSeconds);
error CrlCriticalExtension(bytes32 oid);

// Intel's documents.
error CollateralMissing();
error CollateralMalformed(string member);
error TcbInfoSignatureInvalid();
error TcbInfoMismatch();
error TcbInfoNotYetValid(uint256 issueDateSeconds);
error TcbInfoExpired(uint256 nextUpdateSeconds);
error QeIdentitySignatureInvalid();
error QeIdentityMismatch();
error QeIdentityNotYetValid(uint256 issueDateSeconds);
error QeIdentityExpired(uint256 nextUpdateSeconds);
error TcbComponentsMismatch();
error TdxModuleMissing();

// The quote against its platform and its collateral.
error QeReportSignatureInvalid();
error QeReportDataMismatch();
error QuoteSignatureInvalid();
error QeDebug();
error QeMiscselectMismatch();
error QeAttributesMismatch();
error QeMrsignerMismatch();
error QeIsvprodidMismatch();
error QeTcbNotFound();
error TdxModuleMrsignerMismatch();
error TdxModuleAttributesMismatch();
error TdxModuleTcbNotFound();
error TcbLevelNotFound();
error TcbRevoked();
error TdProfilingEnabled();
error TdServtdExtEnabled();
error TdMigratable();
error TdAttributesReserved();
error TdSeptVeDisableClear();

// What only a chain refuses: it keeps what it was given, so nothing older may replace it.
error DocumentOlder();
error CrlOlder();
error CrlTooLarge(uint256 revoked);
error DevelopmentRootRefused(uint256 chainId);
