/**
 * Fuzzing of every verifier: good evidence and endorsements, edited at random. Whatever comes in, a verdict with a code
 * must come out, soon; and what is accepted in spite of an edit must say exactly what the unedited evidence says.
 */
import { deepStrictEqual } from "node:assert/strict";
import * as fc from "fast-check";
import { concat, toBase64, utf8 } from "../../codec/index.ts";
import { appraise, CollateralCache, parsePolicy, type EvidenceType } from "../index.ts";
import { testCertificates } from "./appraise.ts";
import { QUOTE_KINDS, rootCertificate, testCollateral, testPki, testQuote, TEST_NOW } from "./dcap.ts";
import { azureJson, testAzure } from "./azure-vtpm.ts";
import { namedAttestation, quoteResponse, scaleAttestation, testDstack } from "./dstack.ts";
import { listEntry, testDevice, testReport, testRim, testRimSigner } from "./nvidia.ts";
import { testOcsp } from "./ocsp.ts";
import { testNitroChain, testNitroDocument, TEST_NITRO_TIME } from "./nitro.ts";
import { testSnpEvidence } from "./sev-snp.ts";

/** No single appraisal may take longer. */
export const FUZZ_LIMIT_MS = 100;

interface Seed {
  readonly type: EvidenceType;
  readonly quote: Uint8Array;
  readonly endorsements: unknown;
  readonly root: Uint8Array;
  readonly now: Date;
  /** Further members of the policy. */
  readonly policy?: object;
  /** Claims of dstack that rest on the host's word alone. */
  readonly hostClaims?: readonly string[];
}

function dstackSeeds(): Seed[] {
  const evidence = testDstack();
  const root = rootCertificate(testPki());
  return [quoteResponse(evidence), scaleAttestation(evidence), namedAttestation(evidence)].map((quote) => ({
    type: "dstack",
    quote,
    endorsements: testCollateral("tdx4"),
    root,
    now: TEST_NOW,
    // The host's configuration is its own word: whatever it says may change without a rejection.
    hostClaims: ["configuredOsImageHash", "configuredOsImageHashSource"],
  }));
}

function azureSeed(): Seed {
  const evidence = testAzure();
  const endorsements = testCertificates(...evidence.certificates);
  return {
    type: "azure-vtpm",
    quote: azureJson(evidence),
    endorsements,
    root: evidence.snpRoot,
    now: TEST_NOW,
  };
}

function measured(index: number): Uint8Array[] {
  return [new Uint8Array(48).fill(index)];
}

/** A report whose manifests and OCSP status are there, so that edits reach them too. */
function nvidiaSeeds(): Seed[] {
  const now = new Date("2026-11-23T00:00:00Z");
  const signer = testRimSigner();
  const device = testDevice();
  const [, brom, identity, root] = device.certificates as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const rims = [
    testRim({ version: "550.90.07", measurements: new Map([[1, measured(1)]]) }, signer),
    testRim({ version: "96.00.9F.00.01", measurements: new Map([[2, measured(2)]]) }, signer),
  ];
  const ocspResponses = [
    testOcsp({ key: device.root }, { certificate: identity, issuer: root }),
    testOcsp({ key: device.identity }, { certificate: brom, issuer: identity }),
  ].map(toBase64);
  const policy = {
    codeIdentity: "required",
    nvidia: { rimRoots: [{ certificate: toBase64(signer.rootDer) }] },
  };
  const whole = { ...testCertificates(...device.certificates), rims, ocspResponses };
  const list = utf8(JSON.stringify([listEntry(testReport(), device)]));
  return [
    { type: "nvidia-gpu", quote: testReport(), endorsements: whole, root, now, policy },
    { type: "nvidia-gpu", quote: list, endorsements: { rims }, root, now, policy },
  ];
}

function seeds(): Seed[] {
  const root = rootCertificate(testPki());
  const dcap = QUOTE_KINDS.map((kind): Seed => {
    const type = kind === "sgx3" ? "sgx" : "tdx";
    return { type, quote: testQuote(kind), endorsements: testCollateral(kind), root, now: TEST_NOW };
  });
  const snp = ([2, 3, 5] as const).map((version): Seed => {
    const { report, certificates, root: snpRoot } = testSnpEvidence({ version });
    const endorsements = testCertificates(...certificates);
    return {
      type: "sev-snp",
      quote: report,
      endorsements,
      root: snpRoot,
      now: new Date("2026-11-23T00:00:00Z"),
    };
  });
  const nitroRoot = testNitroChain().cabundle[0]!;
  const nitro: Seed = {
    type: "nitro",
    quote: testNitroDocument(),
    endorsements: null,
    root: nitroRoot,
    now: TEST_NITRO_TIME,
  };
  return [...dcap, ...snp, nitro, ...dstackSeeds(), azureSeed(), ...nvidiaSeeds()];
}

export interface Edit {
  readonly kind: "flip" | "set" | "insert" | "remove" | "repeat" | "truncate";
  readonly at: number;
  readonly bytes: Uint8Array;
}

export function applyEdit(input: Uint8Array, { kind, at: anywhere, bytes }: Edit): Uint8Array {
  const at = input.length === 0 ? 0 : anywhere % input.length;
  const replaceWith = (middle: Uint8Array, removed: number) =>
    concat(input.subarray(0, at), middle, input.subarray(at + removed));
  if (kind === "flip") return input.map((byte, i) => (i === at ? byte ^ (1 << (bytes.length & 7)) : byte));
  if (kind === "set") return replaceWith(bytes, bytes.length);
  if (kind === "insert") return replaceWith(bytes, 0);
  if (kind === "remove") return replaceWith(new Uint8Array(0), bytes.length);
  if (kind === "repeat") return replaceWith(input.subarray(at, at + 512), 0);
  return input.slice(0, at);
}

export const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom("flip", "set", "insert", "remove", "repeat", "truncate"),
  at: fc.nat({ max: 1 << 20 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
});

type Path = readonly (string | number)[];

/** Where the texts in a JSON value are. */
function textPaths(value: unknown, path: Path = []): Path[] {
  if (typeof value === "string") return [path];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => textPaths(member, [...path, name]));
}

function changeAt(value: unknown, [first, ...rest]: Path, change: (old: unknown) => unknown): unknown {
  if (first === undefined) return change(value);
  const copy = Array.isArray(value) ? [...value] : { ...(value as Record<string, unknown>) };
  const members = copy as Record<string | number, unknown>;
  members[first] = changeAt(members[first], rest, change);
  return copy;
}

function editText(text: unknown, edits: readonly Edit[]): string {
  const bytes = Uint8Array.from(String(text), (character) => character.charCodeAt(0) & 0xff);
  return Buffer.from(edits.reduce(applyEdit, bytes)).toString("latin1");
}

export type FuzzCase = {
  readonly seed: number;
  readonly evidence: { readonly edits: readonly Edit[] } | { readonly random: Uint8Array };
  readonly endorsements:
    | { readonly kind: "kept" }
    | { readonly kind: "edited"; readonly at: number; readonly edits: readonly Edit[] }
    | { readonly kind: "replaced"; readonly at: number; readonly value: unknown };
};

const edits = (minLength: number) => fc.array(edit, { minLength, maxLength: 3 });

/** Mostly edited evidence with good endorsements, and the other way round. */
export const fuzzCase: fc.Arbitrary<FuzzCase> = fc.record({
  seed: fc.nat({ max: 1 << 16 }),
  evidence: fc.oneof(
    { weight: 6, arbitrary: fc.record({ edits: edits(1) }) },
    { weight: 3, arbitrary: fc.record({ edits: edits(0) }) },
    { weight: 1, arbitrary: fc.record({ random: fc.uint8Array({ maxLength: 2048 }) }) },
  ),
  endorsements: fc.oneof(
    { weight: 6, arbitrary: fc.constant({ kind: "kept" as const }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("edited" as const), at: fc.nat(), edits: edits(1) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("replaced" as const), at: fc.nat(), value: fc.jsonValue() }),
    },
  ),
});

interface Prepared extends Omit<Seed, "policy"> {
  readonly policy: ReturnType<typeof parsePolicy>;
  readonly claims: unknown;
  readonly cache: CollateralCache;
  readonly paths: readonly Path[];
}

/** The claims without those of the host. */
function provenClaims(
  claims: Readonly<Record<string, unknown>>,
  { hostClaims = [] }: Pick<Seed, "hostClaims">,
): unknown {
  const { dstack, ...rest } = claims;
  if (typeof dstack !== "object" || dstack === null) return claims;
  const proven = Object.entries(dstack).filter(([name]) => !hostClaims.includes(name));
  return { ...rest, dstack: Object.fromEntries(proven) };
}

function prepare(seed: Seed): Prepared {
  const roots = [{ certificate: toBase64(seed.root) }];
  const policy = parsePolicy({ formatVersion: 1, roots, codeIdentity: "reported", ...seed.policy });
  const { type, quote, now, endorsements } = seed;
  const { code, claims } = appraise({ type, quote }, endorsements, { now, policy });
  if (code !== "ok") throw new Error(`unedited ${type} evidence is rejected: ${code}`);
  return {
    ...seed,
    policy,
    claims: provenClaims(claims, seed),
    cache: new CollateralCache(),
    paths: textPaths(endorsements),
  };
}

function editEndorsements(seed: Prepared, change: FuzzCase["endorsements"]): unknown {
  if (change.kind === "kept" || seed.paths.length === 0) return seed.endorsements;
  const whole = change.kind === "replaced" && change.at % (seed.paths.length + 1) === seed.paths.length;
  const path = whole ? [] : seed.paths[change.at % seed.paths.length]!;
  return changeAt(seed.endorsements, path, (old) =>
    change.kind === "replaced" ? change.value : editText(old, change.edits),
  );
}

/** Processor time of a call in milliseconds, at best of three: a busy machine and the collector delay one, not all. */
export function processorMs(call: () => void): number {
  let fastest = Infinity;
  for (let attempt = 0; attempt < 3 && fastest > FUZZ_LIMIT_MS; attempt++) {
    const before = process.cpuUsage();
    call();
    const { user, system } = process.cpuUsage(before);
    fastest = Math.min(fastest, (user + system) / 1000);
  }
  return fastest;
}

/** A check of one case, which throws where a verifier does what it must not. */
export function createFuzzCheck(): (fuzz: FuzzCase) => void {
  const prepared = seeds().map(prepare);
  return (fuzz) => {
    const seed = prepared[fuzz.seed % prepared.length]!;
    const { type, now, policy, cache } = seed;
    const { evidence } = fuzz;
    const quote = "random" in evidence ? evidence.random : evidence.edits.reduce(applyEdit, seed.quote);
    const endorsements = editEndorsements(seed, fuzz.endorsements);
    const options = endorsements === seed.endorsements ? { now, policy, cache } : { now, policy };
    let result = undefined as ReturnType<typeof appraise> | undefined;
    const elapsedMs = processorMs(() => {
      result = appraise({ type, quote }, endorsements, options);
    });
    if (elapsedMs > FUZZ_LIMIT_MS) throw new Error(`an appraisal took ${elapsedMs} ms`);
    const { verdict, code, claims } = result!;
    if (!/^[a-z0-9_]+$/.test(code)) throw new Error(`no code: ${code}`);
    if ((verdict === "accepted") !== (code === "ok")) throw new Error(`${verdict} with ${code}`);
    if (verdict === "accepted") deepStrictEqual(provenClaims(claims, seed), seed.claims);
  };
}
