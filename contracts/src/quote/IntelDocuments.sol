// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {JSONParserLib} from "solady/utils/JSONParserLib.sol";
import {TcbStatus} from "../interfaces/IQuoteVerifier.sol";
import "./DcapErrors.sol";
import {IntelJson} from "./IntelJson.sol";

/// @notice A level of a platform: what its SVNs must reach, and what it then is.
/// @param svns 16 SGX component SVNs, then 16 TDX component SVNs
struct PlatformLevel {
    bytes32 svns;
    uint16 pceSvn;
    TcbStatus status;
}

/// @notice A level of a TDX module or a quoting enclave.
struct IsvLevel {
    uint16 isvSvn;
    TcbStatus status;
}

/// @param major TEE_TCB_SVN[1] of the quotes that it stands for; 0 for the module of TCB info itself
/// @param mrSignerHash keccak256 of MRSIGNERSEAM, 48 bytes
/// @param levels in the document's order
struct TdxModule {
    uint8 major;
    bytes32 mrSignerHash;
    bytes8 attributes;
    IsvLevel[] levels;
}

/// @param levels highest first: by SGX SVNs, PCE SVN, TDX SVNs in turn
struct TcbInfo {
    PlatformLevel[] levels;
    TdxModule[] modules;
}

/// @param levels in the document's order
struct QeIdentity {
    uint32 miscSelect;
    uint32 miscSelectMask;
    bytes16 attributes;
    bytes16 attributesMask;
    bytes32 mrSigner;
    uint16 isvProdId;
    IsvLevel[] levels;
}

/// @notice What both documents have.
/// @param platform FMSPC (6 bytes) and PCE id (2 bytes); 0 for a QE identity
struct Dated {
    bytes8 platform;
    uint40 issueDate;
    uint40 nextUpdate;
    uint32 evaluationNumber;
}

/// @title Intel's TCB info (version 3, TDX) and QE identity (version 2 or 3, TD_QE), as the provisioning certification service
/// documents them (API version 4)
/// @notice Members may stand in any order, and unknown ones are passed over; tcbDate and advisoryIDs are not kept. A contract of
/// its own, because its code and the registry's would be too large for one (EIP-170); it keeps nothing and trusts nobody.
contract IntelDocuments {
    using JSONParserLib for JSONParserLib.Item;
    using IntelJson for JSONParserLib.Item;

    /// @notice What the JSON parser reverts with.
    error ParsingFailed();

    uint256 private constant MAX_LEVELS = 128;
    uint256 private constant MAX_MODULES = 16;

    /// @param document the text whose signature the caller has verified
    /// @return dated what both documents have
    /// @return encoded abi.encode(TcbInfo)
    function parseTcbInfo(bytes memory document)
        external
        pure
        returns (Dated memory dated, bytes memory encoded)
    {
        TcbInfo memory info;
        JSONParserLib.Item memory root = JSONParserLib.parse(string(document));
        if (keccak256(root.text('"id"')) != keccak256('"TDX"')) revert TcbInfoMismatch();
        if (root.number('"version"', 255) != 3) revert CollateralMalformed('"version"');
        if (root.number('"tcbType"', 255) != 0) revert CollateralMalformed('"tcbType"');
        dated = readDated(root);
        bytes32 fmspc = root.hexBytes('"fmspc"', 6);
        dated.platform = bytes8(fmspc | (root.hexBytes('"pceId"', 2) >> 48));
        JSONParserLib.Item[] memory levels = root.array('"tcbLevels"', MAX_LEVELS);
        info.levels = new PlatformLevel[](levels.length);
        for (uint256 i = 0; i < levels.length; i++) {
            insert(info.levels, i, readPlatformLevel(levels[i]));
        }
        info.modules = readModules(root);
        encoded = abi.encode(info);
    }

    /// @param document the text whose signature the caller has verified
    /// @return dated what both documents have
    /// @return encoded abi.encode(QeIdentity)
    function parseQeIdentity(bytes memory document)
        external
        pure
        returns (Dated memory dated, bytes memory encoded)
    {
        QeIdentity memory identity;
        JSONParserLib.Item memory root = JSONParserLib.parse(string(document));
        if (keccak256(root.text('"id"')) != keccak256('"TD_QE"')) revert QeIdentityMismatch();
        uint256 version = root.number('"version"', 255);
        if (version != 2 && version != 3) revert CollateralMalformed('"version"');
        dated = readDated(root);
        identity.miscSelect = uint32(bytes4(root.hexBytes('"miscselect"', 4)));
        identity.miscSelectMask = uint32(bytes4(root.hexBytes('"miscselectMask"', 4)));
        identity.attributes = bytes16(root.hexBytes('"attributes"', 16));
        identity.attributesMask = bytes16(root.hexBytes('"attributesMask"', 16));
        identity.mrSigner = root.hexBytes('"mrsigner"', 32);
        identity.isvProdId = uint16(root.number('"isvprodid"', 65_535));
        identity.levels = readIsvLevels(root);
        for (uint256 i = 0; i < identity.levels.length; i++) {
            TcbStatus status = identity.levels[i].status;
            bool hardening = status == TcbStatus.SWHardeningNeeded
                || status == TcbStatus.ConfigurationAndSWHardeningNeeded;
            // Intel's library lets no quoting enclave state these.
            if (hardening) revert CollateralMalformed('"tcbStatus"');
        }
        encoded = abi.encode(identity);
    }

    function readDated(JSONParserLib.Item memory root) private pure returns (Dated memory dated) {
        dated.issueDate = root.date('"issueDate"');
        dated.nextUpdate = root.date('"nextUpdate"');
        dated.evaluationNumber = uint32(root.number('"tcbEvaluationDataNumber"', type(uint32).max));
    }

    function readPlatformLevel(JSONParserLib.Item memory item) private pure returns (PlatformLevel memory) {
        JSONParserLib.Item memory tcb = item.object('"tcb"');
        uint256 svns = (readSvns(tcb, '"sgxtcbcomponents"') << 128) | readSvns(tcb, '"tdxtcbcomponents"');
        return PlatformLevel(bytes32(svns), uint16(tcb.number('"pcesvn"', 65_535)), item.status());
    }

    function readSvns(JSONParserLib.Item memory tcb, string memory key) private pure returns (uint256 svns) {
        if (tcb.at(key).isUndefined()) revert TcbComponentsMismatch();
        JSONParserLib.Item[] memory components = tcb.array(key, 16);
        if (components.length != 16) revert TcbComponentsMismatch();
        for (uint256 i = 0; i < 16; i++) {
            svns = (svns << 8) | components[i].number('"svn"', 255);
        }
    }

    /// @dev Intel's library sorts the levels so, and takes them in no order of the document; equal ones keep theirs.
    function insert(PlatformLevel[] memory levels, uint256 count, PlatformLevel memory level) private pure {
        for (; count > 0 && isHigher(level, levels[count - 1]); count--) {
            levels[count] = levels[count - 1];
        }
        levels[count] = level;
    }

    function isHigher(PlatformLevel memory a, PlatformLevel memory b) private pure returns (bool) {
        if (bytes16(a.svns) != bytes16(b.svns)) return bytes16(a.svns) > bytes16(b.svns);
        if (a.pceSvn != b.pceSvn) return a.pceSvn > b.pceSvn;
        return a.svns > b.svns;
    }

    function readIsvLevels(JSONParserLib.Item memory item) private pure returns (IsvLevel[] memory levels) {
        JSONParserLib.Item[] memory items = item.array('"tcbLevels"', MAX_LEVELS);
        levels = new IsvLevel[](items.length);
        for (uint256 i = 0; i < items.length; i++) {
            uint256 isvSvn = items[i].object('"tcb"').number('"isvsvn"', 65_535);
            levels[i] = IsvLevel(uint16(isvSvn), items[i].status());
        }
    }

    /// @dev The module that TCB info names comes first, then the identities by major version; none where it names none.
    function readModules(JSONParserLib.Item memory root) private pure returns (TdxModule[] memory modules) {
        if (root.at('"tdxModule"').isUndefined()) return modules;
        JSONParserLib.Item[] memory items;
        if (!root.at('"tdxModuleIdentities"').isUndefined()) {
            items = root.array('"tdxModuleIdentities"', MAX_MODULES);
        }
        modules = new TdxModule[](items.length + 1);
        modules[0] = readModule(root.object('"tdxModule"'));
        for (uint256 i = 0; i < items.length; i++) {
            modules[i + 1] = readModule(items[i]);
            modules[i + 1].major = majorOf(items[i].text('"id"'));
            modules[i + 1].levels = readIsvLevels(items[i]);
            checkModuleLevels(modules[i + 1].levels);
        }
    }

    function readModule(JSONParserLib.Item memory item) private pure returns (TdxModule memory module) {
        module.mrSignerHash = item.hashOfHex48('"mrsigner"');
        module.attributes = bytes8(item.hexBytes('"attributes"', 8));
    }

    /// @dev `"TDX_` and the major version in two hex digits; 0, which nothing looks for, where it is another id.
    function majorOf(bytes memory id) private pure returns (uint8) {
        bool shaped = id.length == 8 && id[1] == "T" && id[2] == "D" && id[3] == "X" && id[4] == "_";
        if (!shaped || id[6] == "x" || id[6] == "X") return 0;
        return uint8(JSONParserLib.parseUintFromHex(string(abi.encodePacked(id[5], id[6]))));
    }

    function checkModuleLevels(IsvLevel[] memory levels) private pure {
        for (uint256 i = 0; i < levels.length; i++) {
            TcbStatus status = levels[i].status;
            bool known =
                status == TcbStatus.UpToDate || status == TcbStatus.OutOfDate || status == TcbStatus.Revoked;
            if (!known) revert CollateralMalformed('"tcbStatus"');
        }
    }
}
