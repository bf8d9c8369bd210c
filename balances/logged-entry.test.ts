import { ed25519 } from "@noble/curves/ed25519.js";
import { describe, expect, it } from "vitest";
import { toHex, toHex0x } from "../codec/index.ts";
import { STATEMENT_FIELDS, type StatementOf } from "../receipts/index.ts";
import type { LedgerEntry } from "./account.ts";
import { entriesToJson, parseEntries, verifyLoggedEntry, type LoggedEntry } from "./logged-entry.ts";
import { checkOpening, sufficientOpening } from "./opening.ts";
import { operandText, requestJson, type Operand } from "./operand.ts";
import { OPERATIONS } from "./operation.ts";
import { ownerToText } from "./owner.ts";
import { requestDigest } from "./request.ts";
import { keysetOf, LOG_KEY, logEntry, seed } from "./testing/logged.ts";
import { secp256k1Owner, signRequest } from "./testing/owners.ts";

const serverKeyDigest = seed("server key");
const keyset = keysetOf([serverKeyDigest, seed("public key"), seed("crs")]);

const entry: LedgerEntry = {
  account: seed("account"),
  sequence: 1n,
  operation: 1,
  previousDigest: new Uint8Array(32),
  newDigest: seed("zero"),
  operandDigest: seed("operand"),
  serverKeyDigest,
  executionDigest: new Uint8Array(32),
  issuedAtMs: 1_800_000_000_000n,
};

const logged = (statement = entry): LoggedEntry =>
  logEntry({ entry: statement, operandText: "{}", executionText: "" }, keyset);

const flip = (bytes: Uint8Array) => bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte));

describe("a logged entry", () => {
  it("verifies, and comes back from its JSON", () => {
    const [back] = parseEntries(JSON.stringify(entriesToJson([logged()])));
    expect(back).toEqual(logged());
    expect(toHex(verifyLoggedEntry(back!, LOG_KEY).keyset.fhePublicKeyDigests[0]!)).toBe(
      toHex(serverKeyDigest),
    );
  });

  it("is refused with any field, the signature, the place or the keyset changed", () => {
    const good = logged();
    for (const { name } of STATEMENT_FIELDS.LedgerEntry) {
      const value = good.entry[name];
      const changed =
        value instanceof Uint8Array ? flip(value) : typeof value === "bigint" ? value + 1n : value + 1;
      const tampered = { ...good, entry: { ...good.entry, [name]: changed } };
      expect(() => verifyLoggedEntry(tampered, LOG_KEY), name).toThrow();
    }
    const { log } = good;
    const wrong: Partial<LoggedEntry>[] = [
      { signature: flip(good.signature) },
      { log: { ...log, leafIndex: 0n } },
      { log: { ...log, proof: [flip(log.proof[0]!)] } },
      { log: { ...log, checkpoint: log.checkpoint.replace("\n2\n", "\n3\n") } },
      { keyset: keyset.replace(toHex0x(serverKeyDigest).slice(2), toHex(seed("other"))) },
    ];
    for (const members of wrong) expect(() => verifyLoggedEntry({ ...good, ...members }, LOG_KEY)).toThrow();
    const other = { ...LOG_KEY, publicKey: ed25519.getPublicKey(seed("other")) };
    expect(() => verifyLoggedEntry(good, other)).toThrow(
      expect.objectContaining({ code: "signature_invalid" }),
    );
  });

  it("comes with what was opened of it, and with nothing else", () => {
    const owner = secp256k1Owner("alice");
    const signed = signRequest(owner, { operation: OPERATIONS.debit, amountAtomic: 5n, serverKeyDigest });
    const debit: Operand = {
      formatVersion: 1,
      operation: "debit",
      request: requestJson(signed.request),
      signature: toHex0x(signed.signature),
      sufficient: toHex0x(seed("bit")),
    };
    const text = operandText(debit);
    const asked = requestDigest(signed.request);
    const [bit, check] = [sufficientOpening(entry, asked, false), checkOpening(entry, true)];
    const of = (...openings: StatementOf<"Opening">[]) =>
      logEntry({ entry, operandText: text, executionText: "" }, keyset, openings);
    const [back] = parseEntries(JSON.stringify(entriesToJson([of(bit, check)])));
    expect(verifyLoggedEntry(back!, LOG_KEY).opened).toEqual({ sufficient: false, consistent: true });
    for (const opening of [bit, check])
      for (const { name } of STATEMENT_FIELDS.Opening) {
        const value = opening[name];
        const changed =
          value instanceof Uint8Array ? flip(value) : typeof value === "bigint" ? value + 1n : value + 2;
        expect(() => verifyLoggedEntry(of({ ...opening, [name]: changed }), LOG_KEY), name).toThrow(
          expect.objectContaining({ code: "entry_invalid" }),
        );
      }
    for (const twice of [of(check, check), of(check, checkOpening(entry, false))])
      expect(() => verifyLoggedEntry(twice, LOG_KEY)).toThrow(
        expect.objectContaining({ code: "entry_invalid" }),
      );
    const good = of(bit);
    const [opened] = good.openings;
    const unsigned = { ...good, openings: [{ ...opened!, signature: flip(opened!.signature) }] };
    expect(() => verifyLoggedEntry(unsigned, LOG_KEY)).toThrow();
    const open: Operand = { formatVersion: 1, operation: "open", owner: ownerToText(owner.owner) };
    expect(() => verifyLoggedEntry({ ...good, operandText: operandText(open) }, LOG_KEY)).toThrow(
      expect.objectContaining({ code: "entry_invalid" }),
    );
  });

  it("is refused where its server key is none of the keyset's", () => {
    const other = logged({ ...entry, serverKeyDigest: seed("public key") });
    expect(() => verifyLoggedEntry(other, LOG_KEY)).toThrow(
      expect.objectContaining({ code: "server_key_mismatch" }),
    );
  });

  it("is read from exactly its form", () => {
    const document = entriesToJson([logged()]) as { entries: Record<string, unknown>[] };
    const [first] = document.entries;
    const cases: unknown[] = [
      {},
      { ...document, formatVersion: 2 },
      { ...document, entries: [{ ...first, more: 1 }] },
      { ...document, entries: [{ ...first, signature: "0x00" }] },
      { ...document, entries: [{ ...first, statement: {} }] },
      { ...document, entries: Array.from({ length: 257 }, () => first) },
    ];
    for (const value of cases)
      expect(() => parseEntries(JSON.stringify(value))).toThrow(
        expect.objectContaining({ code: "entry_invalid" }),
      );
    expect(() => parseEntries("{")).toThrow(expect.objectContaining({ code: "entry_invalid" }));
  });
});
