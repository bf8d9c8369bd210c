/**
 * Fuzzing of every parser of foreign bytes: good input, edited at random, and input made to be deep or long. A parser
 * answers, or refuses with a typed error that has a code, and soon in either case.
 */
import * as fc from "fast-check";
import { applyEdit, edit, FUZZ_LIMIT_MS, processorMs, type Edit } from "../attestation/testing/fuzz.ts";
import { deviceParsers } from "../attestation/testing/device-seeds.ts";
import { attestationParsers, looseText, type FuzzedParser } from "../attestation/testing/parser-seeds.ts";
import { utf8 } from "../codec/index.ts";
import {
  canonicalTensors,
  encodeReceiptHeader,
  encodeStatement,
  evidenceIndex,
  parseBundle,
  parseCanonicalTensors,
  parseCheckpoint,
  parseEvidenceIndex,
  parseKeyset,
  parseNote,
  parsePrivatePart,
  parseReceiptHeader,
  parseTlogProof,
  ReceiptError,
  serializeBundle,
  serializePrivatePart,
} from "../receipts/index.ts";
import {
  encodeRequestHeader,
  parseBinaryRequest,
  readRequestHeader,
  SealingError,
  splitFrames,
} from "../sealing/index.ts";
import { binaryRequest } from "../service/routes/testing/seal.ts";
import { BodyOpener } from "../service/sealed/body-opener.ts";
import { BodySealer } from "../service/sealed/body-sealer.ts";
import { createIssuer } from "./receipt-fixture.ts";

const TENSORS = [
  { name: "x", datatype: "FP32" as const, shape: [2, 2], data: new Uint8Array(16).fill(1) },
  { name: "words", datatype: "BYTES" as const, shape: [2], data: Uint8Array.of(1, 0, 0, 0, 97, 0, 0, 0, 0) },
];

async function receiptParsers(): Promise<FuzzedParser[]> {
  const { bundle, privatePart } = (await createIssuer({ devices: {} })).issue({}, { included: true });
  const header = encodeReceiptHeader({
    type: "InferenceStatement",
    words: encodeStatement("InferenceStatement", bundle.statement),
    signature: bundle.signature,
  });
  const { checkpoint } = bundle.keysetLog;
  const errors = [ReceiptError];
  const texts: [string, string, (text: string) => unknown][] = [
    ["receipt", serializeBundle(bundle), parseBundle],
    ["private part", serializePrivatePart(privatePart), parsePrivatePart],
    ["receipt header", header, parseReceiptHeader],
    ["keyset", bundle.keyset, parseKeyset],
    ["note", checkpoint, parseNote],
    ["checkpoint", checkpoint, parseCheckpoint],
    ["proof", `c2sp.org/tlog-proof@v1\nindex 0\n\n${checkpoint}`, parseTlogProof],
  ];
  return [
    ...texts.map(([name, text, parse]) => ({
      name,
      seeds: [utf8(text)],
      parse: (input: Uint8Array) => parse(looseText(input)),
      errors,
    })),
    {
      name: "evidence index",
      seeds: [evidenceIndex(bundle.evidence)!],
      parse: parseEvidenceIndex,
      errors,
    },
    { name: "tensors", seeds: [canonicalTensors(TENSORS)], parse: parseCanonicalTensors, errors },
  ];
}

const KEY = { key: new Uint8Array(32).fill(7), baseNonce: new Uint8Array(12).fill(8) };

function openBody(input: Uint8Array): unknown {
  const opener = new BodyOpener([KEY]);
  const plain: Uint8Array[] = [];
  opener.push(input.subarray(0, 9), plain);
  opener.push(input.subarray(9), plain);
  opener.end();
  return plain;
}

function sealedParsers(): FuzzedParser[] {
  const errors = [SealingError];
  const fields: [string, string][] = [["content-type", "application/json"]];
  const request = { method: "POST", path: "/v2/models/m/infer", fields, content: utf8("{}") };
  return [
    { name: "binary HTTP", seeds: [binaryRequest(request)], parse: parseBinaryRequest, errors },
    { name: "frames", seeds: [new BodySealer(KEY).seal(utf8("two"))], parse: splitFrames, errors },
    { name: "sealed body", seeds: [new BodySealer(KEY).seal(utf8("a body"))], parse: openBody, errors },
    { name: "request header", seeds: [encodeRequestHeader(1)], parse: readRequestHeader, errors },
  ];
}

async function allParsers(): Promise<FuzzedParser[]> {
  return [...attestationParsers(), ...deviceParsers(), ...(await receiptParsers()), ...sealedParsers()];
}

/** Bytes that nest without end in CBOR, DER and JSON. */
const NESTING = [
  Uint8Array.of(0x81),
  Uint8Array.of(0xa1, 0x01),
  Uint8Array.of(0x30, 0x82, 0xff, 0xf0),
  utf8("["),
  utf8('{"a":'),
  utf8("<a>"),
  // MessagePack: a list of one, a map of one.
  Uint8Array.of(0x91),
  Uint8Array.of(0x81, 0xa1, 0x61),
  utf8("-----BEGIN CERTIFICATE-----\n"),
];

export interface ParserCase {
  readonly parser: number;
  readonly seed: number;
  readonly edits: readonly Edit[];
  /** Instead of a seed. */
  readonly made:
    | { readonly random: Uint8Array }
    | { readonly unit: Uint8Array; readonly times: number }
    | null;
}

export const parserCase: fc.Arbitrary<ParserCase> = fc.record({
  parser: fc.nat({ max: 1 << 16 }),
  seed: fc.nat({ max: 1 << 16 }),
  edits: fc.array(edit, { maxLength: 4 }),
  made: fc.oneof(
    { weight: 30, arbitrary: fc.constant(null) },
    { weight: 3, arbitrary: fc.record({ random: fc.uint8Array({ maxLength: 512 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({ unit: fc.constantFrom(...NESTING), times: fc.nat({ max: 5000 }) }),
    },
  ),
});

function inputOf({ seeds }: FuzzedParser, { seed, edits, made }: ParserCase): Uint8Array {
  const start =
    made === null
      ? seeds[seed % seeds.length]!
      : "random" in made
        ? made.random
        : repeated(made.unit, made.times);
  return edits.reduce(applyEdit, start);
}

function repeated(unit: Uint8Array, times: number): Uint8Array {
  return Uint8Array.from({ length: unit.length * times }, (_, i) => unit[i % unit.length]!);
}

function hasCode(error: Error): boolean {
  return "code" in error && typeof error.code === "string" && /^[a-z0-9_]+$/.test(error.code);
}

/** A check of one case, which throws where a parser does what it must not. */
export async function createParserCheck(): Promise<(one: ParserCase) => void> {
  const parsers = await allParsers();
  return (one) => {
    const parser = parsers[one.parser % parsers.length]!;
    const input = inputOf(parser, one);
    const elapsedMs = processorMs(() => {
      try {
        parser.parse(input);
      } catch (error) {
        if (parser.errors.some((known) => error instanceof known) && hasCode(error as Error)) return;
        throw new Error(`${parser.name}: an untyped error`, { cause: error });
      }
    });
    if (elapsedMs > FUZZ_LIMIT_MS) throw new Error(`${parser.name} took ${elapsedMs} ms`);
  };
}

/** The unedited seeds must parse, or fuzzing starts from nothing. */
export async function checkSeeds(): Promise<void> {
  for (const { name, seeds, parse } of await allParsers()) {
    for (const seed of seeds) {
      try {
        parse(seed);
      } catch (error) {
        // Certificates that carry no document are seeds for who looks for one.
        if (name !== "nitro in a certificate")
          throw new Error(`${name}: a seed is refused`, { cause: error });
      }
    }
  }
}
