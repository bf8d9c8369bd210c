import { generateKeyPairSync, sign } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8 } from "../codec/index.ts";
import { checkpointText } from "./checkpoint.ts";
import { CompactRange } from "./compact-range.ts";
import { inclusionProof, leafHash, nodeHash } from "./merkle.ts";
import { NOTE_TYPE_ED25519, noteKeyId, noteSignatureLine } from "./note.ts";
import {
  encodeEntryBundle,
  parseEntryBundle,
  parseTilePath,
  tileOfNode,
  tilePath,
  tileWidth,
} from "./tiles.ts";
import { formatTlogProof, parseTlogProof, verifyTlogProof } from "./tlog-proof.ts";

const refusal = (code: string) => expect.objectContaining({ name: "ReceiptError", code });
const SIZE = 600n;
const nodes = new Map<string, Uint8Array>();
const range = CompactRange.empty();
for (let i = 0n; i < SIZE; i++) {
  range.append(leafHash(utf8(`entry ${i}`)), (level, index, hash) => nodes.set(`${level}/${index}`, hash));
}
const node = (level: number, index: bigint) => nodes.get(`${level}/${index}`)!;

describe("tile paths", () => {
  it.each([
    [{ level: 0, index: 1_234_067n, width: 256 }, "tile/0/x001/x234/067"],
    [{ level: 2, index: 0n, width: 1 }, "tile/2/000.p/1"],
    [{ level: "entries" as const, index: 273n, width: 112 }, "tile/entries/273.p/112"],
    [{ level: 63, index: 1000n, width: 256 }, "tile/63/x001/000"],
  ])("%o", (tile, path) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  it("come back for every tile", () => {
    const level = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant("entries" as const));
    const index = fc.bigInt(0n, 2n ** 63n - 1n);
    fc.assert(
      fc.property(fc.record({ level, index, width: fc.integer({ min: 1, max: 256 }) }), (tile) => {
        expect(parseTilePath(tilePath(tile))).toEqual(tile);
      }),
    );
  });

  it.each([
    "tile/0/1",
    "tile/00/001",
    "tile/64/001",
    "tile/0/x000/001",
    "tile/0/001/002",
    "tile/0/x001",
    "tile/0/001.p/0",
    "tile/0/001.p/256",
    "tile/0/001.p/01",
    "tile/0/001.p/",
    "tile/-1/001",
    "tile/entries/../001",
    "/tile/0/001",
    "tile/0/001\n",
    `tile/0/${"x999/".repeat(8)}999`,
  ])("refuse %s", (path) => {
    expect(() => parseTilePath(path)).toThrow(refusal("tile_invalid"));
  });
});

describe("tiles", () => {
  it("hold every node, folded from hashes of the tile's own level", () => {
    for (const [key, hash] of nodes) {
      const [level = 0, index = 0] = key.split("/").map(Number);
      const place = tileOfNode(level, BigInt(index));
      const first = place.index * 256n + BigInt(place.offset);
      let hashes = Array.from({ length: place.count }, (_, i) => node(8 * place.level, first + BigInt(i)));
      while (hashes.length > 1) {
        hashes = hashes.flatMap((left, i) => (i % 2 === 0 ? [nodeHash(left, hashes[i + 1]!)] : []));
      }
      expect(hashes[0]).toEqual(hash);
      expect(tileWidth(place.level, place.index, SIZE)).toBeGreaterThanOrEqual(place.offset + place.count);
    }
  });

  it("have the widths that the specification's example gives for 70,000 leaves", () => {
    expect(tileWidth(0, 272n, 70_000n)).toBe(256);
    expect(tileWidth(0, 273n, 70_000n)).toBe(112);
    expect(tileWidth(0, 274n, 70_000n)).toBe(0);
    expect(tileWidth(1, 0n, 70_000n)).toBe(256);
    expect(tileWidth(1, 1n, 70_000n)).toBe(17);
    expect(tileWidth(2, 0n, 70_000n)).toBe(1);
    expect(tileWidth(3, 0n, 70_000n)).toBe(0);
  });
});

describe("entry bundles", () => {
  it("come back", () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 256 });
    fc.assert(
      fc.property(entries, (list) => {
        expect(parseEntryBundle(encodeEntryBundle(list), list.length)).toEqual(list);
      }),
      { numRuns: 30 },
    );
  });

  it("refuse other widths and cuts", () => {
    const bundle = encodeEntryBundle([utf8("one"), utf8("two")]);
    for (const [bytes, width] of [
      [bundle, 1],
      [bundle, 3],
      [bundle.subarray(0, 9), 2],
      [bundle.subarray(0, 6), 2],
    ] as const) {
      expect(() => parseEntryBundle(bytes, width)).toThrow(refusal("tile_invalid"));
    }
    expect(() => encodeEntryBundle([])).toThrow(refusal("tile_invalid"));
    expect(() => encodeEntryBundle([new Uint8Array(65_536)])).toThrow(refusal("tile_invalid"));
  });
});

describe("tlog-proof", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(12));
  const log = { name: "log.example", publicKey: raw };
  const text = checkpointText({ origin: log.name, size: SIZE, root: range.root() });
  const signature = new Uint8Array(sign(null, utf8(text), privateKey));
  const checkpoint = `${text}\n${noteSignatureLine(log.name, noteKeyId(log.name, NOTE_TYPE_ED25519, raw), signature)}`;
  const make = (index: bigint, extra: Uint8Array | null = null) =>
    formatTlogProof({ extra, index, proof: inclusionProof(index, SIZE, node), checkpoint });

  it("comes back and verifies for its leaf alone", () => {
    for (const [index, extra] of [
      [0n, null],
      [599n, utf8("extra")],
      [300n, new Uint8Array(0)],
    ] as const) {
      const proof = parseTlogProof(make(index, extra));
      expect(proof).toMatchObject({ extra, index, checkpoint });
      expect(verifyTlogProof(proof, leafHash(utf8(`entry ${index}`)), log).size).toBe(SIZE);
      expect(() => verifyTlogProof(proof, leafHash(utf8("another")), log)).toThrow(
        refusal("inclusion_invalid"),
      );
      const stranger = { ...log, publicKey: new Uint8Array(32).fill(9) };
      expect(() => verifyTlogProof(proof, leafHash(utf8(`entry ${index}`)), stranger)).toThrow(
        refusal("note_signature_missing"),
      );
    }
  });

  it("has the lines of the specification", () => {
    const lines = make(5n, utf8("x")).split("\n");
    expect(lines.slice(0, 3)).toEqual(["c2sp.org/tlog-proof@v1", "extra eA==", "index 5"]);
    expect(lines[3 + inclusionProof(5n, SIZE, node).length]).toBe("");
  });

  it.each([
    ["another version", make(5n).replace("@v1", "@v2")],
    ["a leading zero", make(5n).replace("index 5", "index 05")],
    ["no index", make(5n).replace("index 5\n", "")],
    ["extra after index", make(5n).replace("index 5\n", "index 5\nextra eA==\n")],
    ["extra that is no base64", make(5n, utf8("x")).replace("extra eA==", "extra eA=")],
    ["a short hash", make(5n).replace(/=\n/, "\n")],
    ["no checkpoint", make(5n).slice(0, 60)],
    ["a long extra", make(5n).replace("index 5", `extra ${"AAAA".repeat(2000)}\nindex 5`)],
  ])("refuses %s", (_name, proof) => {
    expect(() => parseTlogProof(proof)).toThrow(refusal("proof_text_invalid"));
  });
});
