import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { hashTypedData, recoverAddress } from "viem";
import { describe, expect, it } from "vitest";
import type { Field, StatementType } from "../fields.ts";
import { STATEMENT_FIELDS } from "../fields.ts";
import { makeVectors } from "./make.ts";
import type { Values, Vector } from "./run.ts";
import { runVector } from "./run.ts";

const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".json"));
const vectors = files.map(
  (file) => JSON.parse(readFileSync(join(import.meta.dirname, file), "utf8")) as Vector,
);

describe("vectors", () => {
  it.each(vectors)("$name", (vector) => {
    expect(runVector(vector)).toEqual(vector.expected);
  });

  it("are what their script writes, one file a case", () => {
    const made = new Map(makeVectors().map((vector) => [`${vector.name}.json`, vector]));
    expect(files.toSorted()).toEqual([...made.keys()].toSorted());
    for (const [i, file] of files.entries()) expect(vectors[i]).toEqual(made.get(file));
  });

  it("hold both what is accepted and what is refused, of every kind but digests of statements", () => {
    const kinds = new Set(vectors.map(({ kind }) => kind));
    for (const kind of kinds) {
      const refused = vectors.filter((vector) => vector.kind === kind && "code" in vector.expected);
      const accepted = vectors.filter((vector) => vector.kind === kind && !("code" in vector.expected));
      expect([kind, accepted.length > 0]).toEqual([kind, true]);
      expect([kind, refused.length > 0 || kind === "statement"]).toEqual([kind, true]);
    }
  });
});

describe("statement vectors", () => {
  const statements = vectors.filter(({ kind }) => kind === "statement");
  const address = vectors.find(({ name }) => name === "keyset")!.expected.receiptAddress;

  it.each(statements)("$name has viem's digest and signer", async ({ name, input, expected }) => {
    const members: readonly Field[] = STATEMENT_FIELDS[input.type as StatementType];
    const digest = hashTypedData({
      domain: { name: "Affidavit", version: "1" },
      types: { [input.type as string]: [...members] },
      primaryType: input.type as string,
      message: input.fields as Values,
    });
    expect(expected.digest).toBe(digest);
    const signer = await recoverAddress({ hash: digest, signature: input.signature as `0x${string}` });
    expect(expected.signer).toBe(signer.toLowerCase());
    expect(expected.signer === address).toBe(!name.startsWith("statement-tampered"));
  });
});
