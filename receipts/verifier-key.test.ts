import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatAddCheckpoint, parseAddCheckpoint } from "./add-checkpoint.ts";
import { NOTE_TYPE_COSIGNATURE, NOTE_TYPE_ED25519 } from "./note.ts";
import { formatVerifierKey, parseVerifierKey } from "./verifier-key.ts";

/** The example of the Go package golang.org/x/mod/sumdb/note. */
const NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const invalid = expect.objectContaining({ name: "ReceiptError", code: "note_invalid" });

describe("verifier keys", () => {
  test("reads and writes another implementation's", () => {
    const key = parseVerifierKey(NEUMANN, NOTE_TYPE_ED25519);
    expect(key.name).toBe("PeterNeumann");
    expect(formatVerifierKey(NOTE_TYPE_ED25519, key)).toBe(NEUMANN);
  });

  test("comes back from its text, of each type apart", () => {
    const types = fc.constantFrom(NOTE_TYPE_ED25519, NOTE_TYPE_COSIGNATURE);
    const names = fc.stringMatching(/^[a-z0-9./-]{1,60}$/);
    fc.assert(
      fc.property(types, names, fc.uint8Array({ minLength: 32, maxLength: 32 }), (type, name, publicKey) => {
        const text = formatVerifierKey(type, { name, publicKey });
        expect(parseVerifierKey(text, type)).toEqual({ name, publicKey });
        const other = type === NOTE_TYPE_ED25519 ? NOTE_TYPE_COSIGNATURE : NOTE_TYPE_ED25519;
        expect(() => parseVerifierKey(text, other)).toThrow(invalid);
      }),
    );
  });

  test.each([
    "",
    "PeterNeumann",
    NEUMANN.replace("c74f20a3", "c74f20a4"),
    NEUMANN.replace("c74f20a3", "C74F20A3"),
    NEUMANN.replace("Peter", "Paul"),
    NEUMANN.slice(0, -4),
    `${NEUMANN}\n`,
    `${NEUMANN}+AA`,
    "x".repeat(600),
  ])("refuses %j", (text) => {
    expect(() => parseVerifierKey(text, NOTE_TYPE_ED25519)).toThrow(invalid);
  });
});

describe("the body of add-checkpoint", () => {
  // The checkpoint is the example of c2sp.org/tlog-witness, whose signatures nobody reads here.
  const checkpoint =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n" +
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
  const body = `old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\n${checkpoint}`;

  test("is read as the specification has it, and written the same", () => {
    const parsed = parseAddCheckpoint(body);
    expect(parsed.oldSize).toBe(20852014n);
    expect(parsed.proof.map(({ length }) => length)).toEqual([32, 32]);
    expect(parsed.checkpoint).toBe(checkpoint);
    expect(formatAddCheckpoint(parsed)).toBe(body);
  });

  test.each([
    ["no old size", body.slice(body.indexOf("\n") + 1)],
    ["a leading zero", body.replace("old 2", "old 02")],
    ["two spaces", body.replace("old ", "old  ")],
    ["a size above 2^63", body.replace("20852014", "9223372036854775808")],
    ["a short hash", body.replace("PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=", "PlRN")],
    ["no checkpoint", body.slice(0, body.indexOf("\n\n") + 2)],
    ["64 hashes", body.replace("old 20852014\n", `old 20852014\n${`${"A".repeat(43)}=\n`.repeat(62)}`)],
  ])("with %s is refused", (_, text) => {
    expect(() => parseAddCheckpoint(text)).toThrow(expect.objectContaining({ name: "ReceiptError" }));
  });
});
