// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TcbStatus} from "../interfaces/IQuoteVerifier.sol";
import "./DcapErrors.sol";
import {IsvLevel, PlatformLevel, TcbInfo, TdxModule} from "./IntelDocuments.sol";

/// @title How current a platform is, by Intel's rules (Intel TDX DCAP quoting library API, "Quote verification")
library TcbEvaluation {
    /// @notice The status of the highest level that every SVN reaches.
    /// @param svns 16 SGX component SVNs of the PCK certificate, then the 16 of TEE_TCB_SVN
    function platformStatus(TcbInfo memory info, bytes32 svns, uint256 pceSvn)
        internal
        pure
        returns (TcbStatus)
    {
        // From module major 1 on, the module's identity judges TDX components 0 and 1.
        uint256 ignored = uint8(svns[17]) > 0 ? uint256(0xffff) << 112 : 0;
        for (uint256 i = 0; i < info.levels.length; i++) {
            PlatformLevel memory level = info.levels[i];
            if (pceSvn >= level.pceSvn && reaches(uint256(svns), uint256(level.svns) & ~ignored)) {
                return level.status;
            }
        }
        revert TcbLevelNotFound();
    }

    /// @dev Whether each byte of `svns` is at least the same byte of `required`. Bytes are compared 16 at a time, each in a lane
    /// of 16 bits whose upper half is 1 before the subtraction and stays 1 unless it borrowed.
    function reaches(uint256 svns, uint256 required) private pure returns (bool) {
        unchecked {
            uint256 low = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
            uint256 one = 0x0100010001000100010001000100010001000100010001000100010001000100;
            uint256 even = ((svns & low) | one) - (required & low);
            uint256 odd = (((svns >> 8) & low) | one) - ((required >> 8) & low);
            return even & odd & one == one;
        }
    }

    /// @notice The status of a TDX module, which must be the one that TCB info names by signer and attributes.
    /// @param minor TEE_TCB_SVN[0]
    /// @param major TEE_TCB_SVN[1]; at 0 the module has no levels of its own
    function moduleStatus(
        TcbInfo memory info,
        uint256 minor,
        uint256 major,
        bytes32 mrSignerHash,
        bytes8 attributes
    ) internal pure returns (TcbStatus) {
        TdxModule memory module = info.modules[moduleIndex(info, major)];
        if (mrSignerHash != module.mrSignerHash) revert TdxModuleMrsignerMismatch();
        // Every attribute of a production module is zero, those outside Intel's mask too.
        if (attributes != 0 || module.attributes != 0) revert TdxModuleAttributesMismatch();
        if (major == 0) return TcbStatus.UpToDate;
        (bool found, TcbStatus status) = isvStatus(module.levels, minor);
        if (!found) revert TdxModuleTcbNotFound();
        return status;
    }

    function moduleIndex(TcbInfo memory info, uint256 major) private pure returns (uint256) {
        if (info.modules.length == 0) revert TdxModuleMissing();
        if (major == 0) return 0;
        for (uint256 i = 1; i < info.modules.length; i++) {
            if (info.modules[i].major == major) return i;
        }
        revert TdxModuleMissing();
    }

    /// @notice The status of the first level that `isvSvn` reaches.
    function isvStatus(IsvLevel[] memory levels, uint256 isvSvn)
        internal
        pure
        returns (bool found, TcbStatus status)
    {
        for (uint256 i = 0; i < levels.length; i++) {
            if (isvSvn >= levels[i].isvSvn) return (true, levels[i].status);
        }
    }

    /// @notice The platform's status, worsened by what its module and quoting enclave add.
    function merge(TcbStatus a, TcbStatus b) internal pure returns (TcbStatus) {
        if (a == TcbStatus.Revoked || b == TcbStatus.Revoked) return TcbStatus.Revoked;
        bool configuration = needsConfiguration(a) || needsConfiguration(b);
        if (isOutOfDate(a) || isOutOfDate(b)) {
            return configuration ? TcbStatus.OutOfDateConfigurationNeeded : TcbStatus.OutOfDate;
        }
        if (needsHardening(a) || needsHardening(b)) {
            return configuration ? TcbStatus.ConfigurationAndSWHardeningNeeded : TcbStatus.SWHardeningNeeded;
        }
        return configuration ? TcbStatus.ConfigurationNeeded : TcbStatus.UpToDate;
    }

    function isOutOfDate(TcbStatus status) private pure returns (bool) {
        return status == TcbStatus.OutOfDate || status == TcbStatus.OutOfDateConfigurationNeeded;
    }

    function needsConfiguration(TcbStatus status) private pure returns (bool) {
        return status == TcbStatus.ConfigurationNeeded
            || status == TcbStatus.ConfigurationAndSWHardeningNeeded
            || status == TcbStatus.OutOfDateConfigurationNeeded;
    }

    function needsHardening(TcbStatus status) private pure returns (bool) {
        return status == TcbStatus.SWHardeningNeeded || status == TcbStatus.ConfigurationAndSWHardeningNeeded;
    }
}
