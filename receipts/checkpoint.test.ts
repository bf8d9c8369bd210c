import { generateKeyPairSync, sign } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromBase64, toHex, utf8 } from "../codec/index.ts";
import { bytes } from "./arbitrary.test-support.ts";
import {
  checkpointNonce,
  checkpointText,
  cosignatureMessage,
  packCosignature,
  parseCheckpoint,
  parseCheckpointText,
  verifyCheckpoint,
  verifyCosignatures,
} from "./checkpoint.ts";
import { EMPTY_ROOT } from "./merkle.ts";
import type { NoteKey } from "./note.ts";
import {
  NOTE_TYPE_COSIGNATURE,
  NOTE_TYPE_ED25519,
  formatNote,
  noteKeyId,
  noteSignatureLine,
  parseNote,
  verifyNote,
} from "./note.ts";

const refusal = (code: string) => expect.objectContaining({ name: "ReceiptError", code });

function makeKey(name: string) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = fromBase64(publicKey.export({ format: "der", type: "spki" }).subarray(12).toString("base64"));
  const key: NoteKey = { name, publicKey: raw };
  return { key, sign: (message: Uint8Array) => new Uint8Array(sign(null, message, privateKey)) };
}

const LOG = makeKey("log.example/affidavit");
const WITNESS = makeKey("witness.example/w1");
const STRANGER = makeKey("stranger.example");
const ROOT = new Uint8Array(32).fill(0x11);
const TEXT = checkpointText({ origin: LOG.key.name, size: 42n, root: ROOT });
const TIME = 1_800_000_000n;

function logLine(text = TEXT, signer = LOG, name = signer.key.name): string {
  const keyId = noteKeyId(name, NOTE_TYPE_ED25519, signer.key.publicKey);
  return noteSignatureLine(name, keyId, signer.sign(utf8(text)));
}

function witnessLine(text = TEXT, signer = WITNESS, time = TIME): string {
  const keyId = noteKeyId(signer.key.name, NOTE_TYPE_COSIGNATURE, signer.key.publicKey);
  return noteSignatureLine(
    signer.key.name,
    keyId,
    packCosignature(time, signer.sign(cosignatureMessage(text, time))),
  );
}

const NOTE = `${TEXT}\n${logLine()}`;

describe("checkpoint", () => {
  it("comes back verified", () => {
    const checkpoint = verifyCheckpoint(NOTE, LOG.key);
    expect(checkpoint).toMatchObject({ origin: LOG.key.name, size: 42n, root: ROOT, extensions: [] });
    expect(formatNote(checkpoint.note)).toBe(NOTE);
    expect(checkpointNonce(checkpoint.note.text)).toEqual(checkpointNonce(TEXT));
  });

  it("reads the example of the specification, with its cosignature", () => {
    const example = [
      "example.com/behind-the-sofa",
      "20852163",
      "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
      "",
      "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=",
      "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==",
      "",
    ].join("\n");
    const checkpoint = parseCheckpoint(example);
    expect(checkpoint.size).toBe(20_852_163n);
    expect(checkpoint.note.signatures.map(({ keyId }) => toHex(keyId))).toEqual(["033de0ae", "8d66cf3f"]);
    expect(checkpoint.note.signatures.map(({ signature }) => signature.length)).toEqual([64, 72]);
    expect(formatNote(checkpoint.note)).toBe(example);
  });

  it("ignores signatures by unknown keys, and refuses a wrong one by the log's", () => {
    const both = `${TEXT}\n${logLine(TEXT, STRANGER)}${logLine()}${witnessLine()}`;
    expect(verifyCheckpoint(both, LOG.key).size).toBe(42n);
    const foreign = `${TEXT}\n${logLine(TEXT, STRANGER)}`;
    expect(() => verifyCheckpoint(foreign, LOG.key)).toThrow(refusal("note_signature_missing"));
    const sameName = `${TEXT}\n${logLine(TEXT, STRANGER, LOG.key.name)}`;
    expect(() => verifyCheckpoint(sameName, LOG.key)).toThrow(refusal("note_signature_missing"));
    const forged = `${TEXT}\n${logLine()}${logLine("another text\n")}`;
    expect(() => verifyCheckpoint(forged, LOG.key)).toThrow(refusal("note_signature_invalid"));
  });

  it("refuses another log's checkpoint even where it signed it", () => {
    const text = checkpointText({ origin: "other.example", size: 42n, root: ROOT });
    expect(() => verifyCheckpoint(`${text}\n${logLine(text)}`, LOG.key)).toThrow(
      refusal("checkpoint_origin_mismatch"),
    );
  });

  it("does not verify once any character of the text or signature changes", () => {
    for (let i = 0; i < NOTE.length; i++) {
      const changed = NOTE.slice(0, i) + (NOTE[i] === "A" ? "B" : "A") + NOTE.slice(i + 1);
      expect(() => verifyCheckpoint(changed, LOG.key)).toThrow(
        expect.objectContaining({ name: "ReceiptError" }),
      );
    }
  });

  it("comes back from its text for any size and root", () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 63n - 1n), bytes(32), (size, root) => {
        const text = checkpointText({ origin: "a.example", size, root });
        expect(parseCheckpointText(text)).toEqual({ origin: "a.example", size, root, extensions: [] });
      }),
    );
    expect(parseCheckpointText(checkpointText({ origin: "a", size: 0n, root: EMPTY_ROOT })).size).toBe(0n);
  });

  it("keeps extension lines, which are signed too", () => {
    const text = `${TEXT}extension one\n`;
    expect(verifyCheckpoint(`${text}\n${logLine(text)}`, LOG.key).extensions).toEqual(["extension one"]);
  });

  it.each([
    ["no newline at the end", TEXT.slice(0, -1)],
    ["an empty origin", TEXT.replace(LOG.key.name, "")],
    ["a leading zero", TEXT.replace("\n42\n", "\n042\n")],
    ["a sign", TEXT.replace("\n42\n", "\n+42\n")],
    ["a size above 2^63 - 1", TEXT.replace("\n42\n", "\n9223372036854775808\n")],
    ["a size of 20 digits", TEXT.replace("\n42\n", "\n10000000000000000000\n")],
    ["a root of 31 bytes", TEXT.replace(/\S+\n$/, `${Buffer.alloc(31).toString("base64")}\n`)],
    ["a root without padding", TEXT.replace("=", "")],
    ["an empty log with another root", TEXT.replace("\n42\n", "\n0\n")],
    ["an empty extension line", `${TEXT}\n`],
    ["two lines only", "a\n1\n"],
    ["a long text", TEXT + "x\n".repeat(20)],
  ])("refuses %s", (_name, text) => {
    expect(() => parseCheckpointText(text)).toThrow(refusal("checkpoint_invalid"));
  });
});

const withSignatures = (count: number) => `${TEXT}\n${"\u2014 a AAAAAAAA\n".repeat(count)}`;

describe("note", () => {
  it.each([
    ["no signatures", `${TEXT}\n`],
    ["no empty line", `${TEXT}${logLine()}`],
    ["a carriage return", NOTE.replaceAll("\n", "\r\n")],
    ["a tab", `a\tb\n\n${logLine()}`],
    ["a hyphen for the em dash", NOTE.replace("\u2014", "-")],
    ["three words in a signature line", NOTE.replace(/\n$/, " x\n")],
    ["a plus in the key name", `${TEXT}\n\u2014 a+b AAAAAAAA\n`],
    ["a no-break space in the key name", `${TEXT}\n\u2014 a\u00a0b AAAAAAAA\n`],
    ["an empty key name", `${TEXT}\n\u2014  AAAAAAAA\n`],
    ["a signature of four bytes", `${TEXT}\n\u2014 a AAAAAA==\n`],
    ["a lone surrogate", `\ud800\n\n${logLine()}`],
    ["no final newline", NOTE.slice(0, -1)],
    ["an empty text", `\n${logLine()}`],
    ["nothing", ""],
  ])("refuses %s", (_name, note) => {
    expect(() => parseNote(note)).toThrow(refusal("note_invalid"));
  });

  it("bounds length and signatures, and takes 16 at least", () => {
    expect(parseNote(withSignatures(64)).signatures.length).toBe(64);
    expect(() => parseNote(withSignatures(65))).toThrow(refusal("note_limit"));
    expect(() => parseNote(`${"x".repeat(140_000)}\n\n${logLine()}`)).toThrow(refusal("note_limit"));
  });

  it("splits at the last empty line", () => {
    const text = "one\n\ntwo\n";
    const note = parseNote(`${text}\n${logLine(text)}`);
    expect(note.text).toBe(text);
    verifyNote(note, LOG.key);
  });
});

describe("cosignatures", () => {
  it("names the known witnesses and their newest time", () => {
    const text = `${TEXT}\n${logLine()}${witnessLine()}${witnessLine(TEXT, WITNESS, TIME + 5n)}${witnessLine(TEXT, STRANGER)}`;
    const { note } = verifyCheckpoint(text, LOG.key);
    expect(verifyCosignatures(note, [WITNESS.key])).toEqual([
      { name: WITNESS.key.name, timestampSeconds: TIME + 5n },
    ]);
    expect(verifyCosignatures(note, [])).toEqual([]);
  });

  it("refuses a known witness's line over another text or time, or of another length", () => {
    const keyId = noteKeyId(WITNESS.key.name, NOTE_TYPE_COSIGNATURE, WITNESS.key.publicKey);
    const signature = WITNESS.sign(cosignatureMessage(TEXT, TIME));
    const lines = [
      witnessLine("another\n"),
      noteSignatureLine(WITNESS.key.name, keyId, packCosignature(TIME + 1n, signature)),
      noteSignatureLine(WITNESS.key.name, keyId, signature),
      noteSignatureLine(WITNESS.key.name, keyId, Uint8Array.of(1)),
    ];
    for (const line of lines) {
      const note = parseNote(`${TEXT}\n${logLine()}${line}`);
      expect(() => verifyCosignatures(note, [WITNESS.key])).toThrow(refusal("note_signature_invalid"));
    }
  });

  it("does not take a plain signature for a cosignature", () => {
    const note = parseNote(`${TEXT}\n${logLine(TEXT, WITNESS)}`);
    expect(verifyCosignatures(note, [WITNESS.key])).toEqual([]);
  });
});
