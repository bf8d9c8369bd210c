/**
 * DCAP collateral: the `QuoteCollateralV3` JSON of the dcap-qvl libraries, and in it Intel's TCB info (version 3) and
 * QE identity (version 2), as the Intel SGX and TDX provisioning certification service (API version 4) documents
 * them. Nothing returned here is trusted yet.
 */
import { AttestationError } from "../error.ts";
import { hexOfByteList } from "./byte-list.ts";
import {
  arrayOf,
  dateOf,
  hexOf,
  integerOf,
  Malformed,
  memberOf,
  objectOf,
  textOf,
  uint32Of,
  type JsonObject,
} from "./json-members.ts";

/** Certificate chains in PEM, leaf first; CRLs in hex or PEM, signatures in hex; documents as the exact text that is signed. */
export interface DcapCollateral {
  readonly pck_crl_issuer_chain: string;
  readonly root_ca_crl: string;
  readonly pck_crl: string;
  readonly tcb_info_issuer_chain: string;
  readonly tcb_info: string;
  readonly tcb_info_signature: string;
  readonly qe_identity_issuer_chain: string;
  readonly qe_identity: string;
  readonly qe_identity_signature: string;
  /** For quotes of certification type 3, which carry no chain. */
  readonly pck_certificate_chain?: string | undefined;
}

export const COLLATERAL_MEMBERS = [
  "pck_crl_issuer_chain",
  "root_ca_crl",
  "pck_crl",
  "tcb_info_issuer_chain",
  "tcb_info",
  "tcb_info_signature",
  "qe_identity_issuer_chain",
  "qe_identity",
  "qe_identity_signature",
] as const;

export const TCB_STATUSES = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
  "OutOfDate",
  "OutOfDateConfigurationNeeded",
  "TDRelaunchAdvised",
  "TDRelaunchAdvisedConfigurationNeeded",
  "Revoked",
] as const;
export type TcbStatus = (typeof TCB_STATUSES)[number];

/** Statuses that Intel's documents may state; the two that advise a relaunch only come out of an evaluation. */
const STATED_STATUSES: ReadonlySet<string> = new Set(
  TCB_STATUSES.filter((status) => !status.startsWith("TD")),
);

export interface LevelStatus {
  readonly status: TcbStatus;
  /** Seconds since 1970. */
  readonly tcbDate: number;
  readonly advisoryIds: readonly string[];
}

export interface PlatformLevel extends LevelStatus {
  /** As many as the document states; 16 make a level that can be compared. */
  readonly sgxSvns: readonly number[];
  readonly tdxSvns: readonly number[];
  readonly pceSvn: number;
}

export interface IsvLevel extends LevelStatus {
  readonly isvSvn: number;
}

export interface TdxModule {
  /** 48 bytes. */
  readonly mrSigner: Uint8Array;
  /** 8 bytes each. */
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
}

export interface TdxModuleIdentity extends TdxModule {
  /** `TDX_` and the module's major version in two hex digits. */
  readonly id: string;
  readonly levels: readonly IsvLevel[];
}

interface Dated {
  /** Seconds since 1970. */
  readonly issueDate: number;
  readonly nextUpdate: number;
  readonly evaluationDataNumber: number;
}

export interface TcbInfo extends Dated {
  readonly id: "SGX" | "TDX";
  /** 6 bytes. */
  readonly fmspc: Uint8Array;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  /** Highest SVNs first. */
  readonly levels: readonly PlatformLevel[];
  readonly tdxModule: TdxModule | undefined;
  readonly tdxModuleIdentities: readonly TdxModuleIdentity[];
}

export interface QeIdentity extends Dated {
  readonly id: "QE" | "TD_QE";
  readonly miscSelect: number;
  readonly miscSelectMask: number;
  /** 16 bytes each. */
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
  /** 32 bytes. */
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly levels: readonly IsvLevel[];
}

/** Characters; several times what Intel publishes, and little enough to be read in milliseconds. */
const MAX_LENGTHS = { chain: 1 << 15, crl: 1 << 18, document: 1 << 16, signature: 128 } as const;
const MAX_LEVELS = 256;
const MAX_ADVISORIES = 256;

function levelStatus(level: JsonObject): LevelStatus {
  const status = textOf(level, "tcbStatus");
  if (!STATED_STATUSES.has(status)) throw new Malformed("tcbStatus is unknown");
  const ids = memberOf(level, "advisoryIDs");
  const advisoryIds = ids === undefined ? [] : arrayOf(ids, "advisoryIDs", MAX_ADVISORIES);
  for (const id of advisoryIds) if (typeof id !== "string") throw new Malformed("an advisory id is no text");
  return {
    status: status as TcbStatus,
    tcbDate: dateOf(level, "tcbDate"),
    advisoryIds: advisoryIds as readonly string[],
  };
}

function svnsOf(tcb: JsonObject, name: string): number[] {
  const value = memberOf(tcb, name);
  if (value === undefined) return [];
  return arrayOf(value, name, 16).map((component) => integerOf(objectOf(component, name), "svn", 255));
}

function platformLevel(value: unknown): PlatformLevel {
  const level = objectOf(value, "a TCB level");
  const tcb = objectOf(memberOf(level, "tcb"), "tcb");
  return {
    ...levelStatus(level),
    sgxSvns: svnsOf(tcb, "sgxtcbcomponents"),
    tdxSvns: svnsOf(tcb, "tdxtcbcomponents"),
    pceSvn: integerOf(tcb, "pcesvn", 65_535),
  };
}

function compareSvns(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** Intel's library sorts the levels so, and takes them in no order of the document. */
function highestFirst(a: PlatformLevel, b: PlatformLevel): number {
  return compareSvns(b.sgxSvns, a.sgxSvns) || b.pceSvn - a.pceSvn || compareSvns(b.tdxSvns, a.tdxSvns);
}

function isvLevels(object: JsonObject): IsvLevel[] {
  return arrayOf(memberOf(object, "tcbLevels"), "tcbLevels", MAX_LEVELS).map((value) => {
    const level = objectOf(value, "a TCB level");
    const tcb = objectOf(memberOf(level, "tcb"), "tcb");
    return { ...levelStatus(level), isvSvn: integerOf(tcb, "isvsvn", 65_535) };
  });
}

function tdxModule(value: unknown): TdxModule {
  const object = objectOf(value, "tdxModule");
  return {
    mrSigner: hexOf(object, "mrsigner", 48),
    attributes: hexOf(object, "attributes", 8),
    attributesMask: hexOf(object, "attributesMask", 8),
  };
}

function dated(object: JsonObject): Dated {
  return {
    issueDate: dateOf(object, "issueDate"),
    nextUpdate: dateOf(object, "nextUpdate"),
    evaluationDataNumber: integerOf(object, "tcbEvaluationDataNumber", 0xffff_ffff),
  };
}

function parseDocument(text: string, code: "tcb_info_malformed" | "qe_identity_malformed"): JsonObject {
  try {
    return objectOf(JSON.parse(text), "the document");
  } catch {
    throw new AttestationError(code, "not a JSON object");
  }
}

function readTcbInfo(object: JsonObject): TcbInfo {
  const id = textOf(object, "id");
  if (id !== "SGX" && id !== "TDX") throw new Malformed("id is neither SGX nor TDX");
  if (integerOf(object, "version", 255) !== 3) throw new Malformed("version is not 3");
  if (integerOf(object, "tcbType", 255) !== 0) throw new Malformed("tcbType is not 0");
  const module = memberOf(object, "tdxModule");
  const identities = memberOf(object, "tdxModuleIdentities");
  return {
    id,
    ...dated(object),
    fmspc: hexOf(object, "fmspc", 6),
    pceId: hexOf(object, "pceId", 2),
    levels: arrayOf(memberOf(object, "tcbLevels"), "tcbLevels", MAX_LEVELS)
      .map(platformLevel)
      .toSorted(highestFirst),
    tdxModule: module === undefined ? undefined : tdxModule(module),
    tdxModuleIdentities:
      identities === undefined
        ? []
        : arrayOf(identities, "tdxModuleIdentities", MAX_LEVELS).map((value) => {
            const identity = objectOf(value, "a TDX module identity");
            return { id: textOf(identity, "id"), ...tdxModule(identity), levels: isvLevels(identity) };
          }),
  };
}

function readQeIdentity(object: JsonObject): QeIdentity {
  const id = textOf(object, "id");
  if (id !== "QE" && id !== "TD_QE") throw new Malformed("id is neither QE nor TD_QE");
  const version = integerOf(object, "version", 255);
  if (version !== 2 && !(version === 3 && id === "TD_QE")) throw new Malformed("version is not 2");
  return {
    id,
    ...dated(object),
    miscSelect: uint32Of(object, "miscselect"),
    miscSelectMask: uint32Of(object, "miscselectMask"),
    attributes: hexOf(object, "attributes", 16),
    attributesMask: hexOf(object, "attributesMask", 16),
    mrSigner: hexOf(object, "mrsigner", 32),
    isvProdId: integerOf(object, "isvprodid", 65_535),
    levels: isvLevels(object),
  };
}

/** TCB info from its signed text. @throws AttestationError `tcb_info_malformed` */
export function parseTcbInfo(text: string): TcbInfo {
  const object = parseDocument(text, "tcb_info_malformed");
  try {
    return readTcbInfo(object);
  } catch (error) {
    if (error instanceof Malformed)
      throw new AttestationError("tcb_info_malformed", `TCB info: ${error.message}`);
    throw error;
  }
}

/** QE identity from its signed text. @throws AttestationError `qe_identity_malformed` */
export function parseQeIdentity(text: string): QeIdentity {
  const object = parseDocument(text, "qe_identity_malformed");
  try {
    return readQeIdentity(object);
  } catch (error) {
    if (error instanceof Malformed)
      throw new AttestationError("qe_identity_malformed", `QE identity: ${error.message}`);
    throw error;
  }
}

/**
 * Collateral from parsed JSON; members that are not of it are left out.
 * @throws AttestationError `collateral_missing` where there is none, `collateral_malformed`
 */
export function parseCollateral(value: unknown): DcapCollateral {
  if (value === undefined || value === null) {
    throw new AttestationError("collateral_missing", "a quote cannot be verified without collateral");
  }
  try {
    const object = objectOf(value, "collateral");
    const members: Record<string, string> = {};
    for (const name of COLLATERAL_MEMBERS) members[name] = boundedText(object, name);
    const chain = memberOf(object, "pck_certificate_chain");
    if (chain !== undefined && chain !== null) {
      members["pck_certificate_chain"] = boundedText(object, "pck_certificate_chain");
    }
    return members as unknown as DcapCollateral;
  } catch (error) {
    if (error instanceof Malformed) throw new AttestationError("collateral_malformed", error.message);
    throw error;
  }
}

function maxLengthOf(name: string): number {
  if (name.endsWith("_chain")) return MAX_LENGTHS.chain;
  if (name.endsWith("_crl")) return MAX_LENGTHS.crl;
  return name.endsWith("_signature") ? MAX_LENGTHS.signature : MAX_LENGTHS.document;
}

function isBinary(name: string): boolean {
  return name.endsWith("_crl") || name.endsWith("_signature");
}

function boundedText(object: JsonObject, name: string): string {
  const maxLength = maxLengthOf(name);
  const bytes = isBinary(name) ? hexOfByteList(memberOf(object, name), maxLength / 2) : undefined;
  const text = bytes ?? textOf(object, name);
  if (text.length > maxLength) throw new Malformed(`${name} is too long`);
  return text;
}
