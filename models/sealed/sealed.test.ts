import { randomBytes } from "node:crypto";
import { mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { x25519 } from "@noble/curves/ed25519.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256, toHex } from "../../codec/index.ts";
import { SEGMENT_BYTES } from "./header.ts";
import {
  openSegments,
  parseHead,
  readAt,
  readSealedHead,
  sealedByteLength,
  sealWeights,
  unwrapContentKey,
} from "./index.ts";

const broker = x25519.keygen();
const modelId = sha256(Uint8Array.of(1));
const refusal = (code: string) => expect.objectContaining({ name: "ModelError", code });
let folder: string;
let sealed: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealed-"));
  sealed = join(folder, "weights.sealed");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function of(weights: Uint8Array): { sha256: string; bytes: number } {
  return { sha256: toHex(sha256(weights)), bytes: weights.length };
}

async function seal(weights: Uint8Array, onProgress?: (done: number, total: number) => void) {
  const source = join(folder, "weights");
  await writeFile(source, weights);
  const options = {
    brokerKey: broker.publicKey,
    modelId,
    expected: of(weights),
    ...(onProgress && { onProgress }),
  };
  return await sealWeights(source, sealed, options);
}

async function openSealed(secretKey = broker.secretKey): Promise<Uint8Array> {
  const file = await open(sealed);
  try {
    const read = (target: Uint8Array, position: number) => readAt(file, target, position);
    const { head } = await readSealedHead(read);
    const contentKey = await unwrapContentKey(secretKey, head);
    return await openSegments(head, contentKey, read);
  } finally {
    await file.close();
  }
}

describe("sealed weights", () => {
  it.each([1, 1000, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES])(
    "of %i bytes open to what was sealed",
    async (length) => {
      const weights = new Uint8Array(randomBytes(length));
      const progress: number[][] = [];
      const head = await seal(weights, (done, total) => progress.push([done, total]));
      expect(head.description).toMatchObject({
        modelId: toHex(modelId),
        weights: { bytes: length, sha256: toHex(sha256(weights)) },
      });
      expect(progress.at(-1)).toEqual([length, length]);
      const file = await readFile(sealed);
      expect(file.length).toBe(sealedByteLength(head));
      expect(Buffer.from(await openSealed()).equals(weights)).toBe(true);
      expect(length < 64 || !file.includes(Buffer.from(weights.subarray(0, 64)))).toBe(true);
    },
  );

  it("are refused at every byte that was changed", async () => {
    const head = await seal(new Uint8Array(randomBytes(300)));
    const original = await readFile(sealed);
    for (let i = 0; i < original.length; i++) {
      const changed = Buffer.from(original);
      changed[i]! ^= 1;
      await writeFile(sealed, changed);
      const inHead = i < head.byteLength;
      await expect(openSealed(), `byte ${i}`).rejects.toThrow(
        inHead ? expect.objectContaining({ name: "ModelError" }) : refusal("sealed_weights_unreadable"),
      );
    }
  });

  it("are refused with a segment dropped, doubled, moved, cut off or added", async () => {
    const head = await seal(new Uint8Array(randomBytes(3 * SEGMENT_BYTES)));
    const file = await readFile(sealed);
    const size = SEGMENT_BYTES + 16;
    const start = file.subarray(0, head.byteLength);
    const [a, b, c] = [0, 1, 2].map((i) =>
      file.subarray(head.byteLength + i * size, head.byteLength + (i + 1) * size),
    ) as [Buffer, Buffer, Buffer];
    const cases: [string, Buffer[]][] = [
      ["sealed_weights_unreadable", [b, a, c]],
      ["sealed_weights_unreadable", [a, a, c]],
      ["sealed_weights_unreadable", [a, c]],
      ["sealed_weights_malformed", [a, b]],
      ["sealed_weights_malformed", [a, b, c, c]],
      ["sealed_weights_malformed", [a, b, c, Buffer.from([0])]],
      ["sealed_weights_malformed", [a, b, c.subarray(1)]],
    ];
    for (const [code, segments] of cases) {
      await writeFile(sealed, Buffer.concat([start, ...segments]));
      await expect(openSealed()).rejects.toEqual(refusal(code));
    }
  });

  it("open for their broker alone", async () => {
    await seal(new Uint8Array(100));
    await expect(openSealed(x25519.keygen().secretKey)).rejects.toEqual(refusal("sealed_weights_malformed"));
  });

  it("are not written for what is no key, and leave nothing beside", async () => {
    const source = join(folder, "weights");
    await writeFile(source, "weights");
    const expected = of(Buffer.from("weights"));
    const options = { brokerKey: new Uint8Array(31), modelId, expected };
    await expect(sealWeights(source, sealed, options)).rejects.toEqual(refusal("model_key_invalid"));
    await expect(
      sealWeights(source, sealed, { ...options, brokerKey: broker.publicKey, signal: AbortSignal.abort() }),
    ).rejects.toThrow("aborted");
    await expect(
      sealWeights(source, sealed, { brokerKey: broker.publicKey, modelId, expected: of(modelId) }),
    ).rejects.toEqual(refusal("weights_digest_mismatch"));
    expect(await readdir(folder)).toEqual(["weights"]);
  });

  it("have a head that is read strictly", async () => {
    const head = await seal(new Uint8Array(10));
    const file = await readFile(sealed);
    expect(parseHead(file)).toEqual(head);
    expect(() => parseHead(file.subarray(0, head.byteLength - 1))).toThrow(
      refusal("sealed_weights_malformed"),
    );
    for (const [from, to] of [
      ['"segmentBytes":1048576', '"segmentBytes":1048577'],
      ['{"broker"', '{"brokes"'],
      ['"bytes":10,', '"bytes":1e,'],
    ] as const) {
      const changed = Buffer.from(file.toString("latin1").replace(from, to), "latin1");
      expect(() => parseHead(changed)).toThrow(refusal("sealed_weights_malformed"));
    }
    await truncate(sealed, 5);
    await expect(openSealed()).rejects.toEqual(refusal("sealed_weights_malformed"));
  });
});
