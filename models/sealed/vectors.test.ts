/** Files that were sealed by other code than ours, after the specification, and what becomes of each. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { fromHex, toHex } from "../../codec/index.ts";
import { ModelError } from "../errors.ts";
import { openSegments, readSealedHead, unwrapContentKey } from "./index.ts";

interface Vector {
  name: string;
  /** X25519, 32 bytes in hex. */
  brokerSecretKey: string;
  file: string;
  expected: { weights: string } | { code: string };
}

const FOLDER = new URL("./vectors/", import.meta.url);
const vectors = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(new URL(name, FOLDER), "utf8")) as Vector);

async function opened({ brokerSecretKey, file }: Vector): Promise<Vector["expected"]> {
  const bytes = fromHex(file);
  const read = async (target: Uint8Array, position: number) => {
    const part = bytes.subarray(position, position + target.length);
    target.set(part);
    return part.length;
  };
  try {
    const { head } = await readSealedHead(read);
    const contentKey = await unwrapContentKey(fromHex(brokerSecretKey), head);
    return { weights: toHex(await openSegments(head, contentKey, read)) };
  } catch (error) {
    if (error instanceof ModelError) return { code: error.code };
    throw error;
  }
}

it("there are files that open and files that do not", () => {
  expect(new Set(vectors.map(({ expected }) => Object.keys(expected)[0]))).toEqual(
    new Set(["weights", "code"]),
  );
});

it.each(vectors.map((vector) => [vector.name, vector] as const))("%s", async (_, vector) => {
  expect(await opened(vector)).toEqual(vector.expected);
});
