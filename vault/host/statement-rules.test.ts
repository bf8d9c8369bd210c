import { describe, expect, it } from "vitest";
import { STATEMENT_FIELDS, type StatementOf } from "../../receipts/index.ts";
import { checkTicketed, type TicketedType } from "./statement-rules.ts";

const refused = expect.objectContaining({ name: "VaultError", code: "statement_invalid" });
const digest = (byte: number) => new Uint8Array(32).fill(byte);
const FILLED = ["keysetDigest", "issuedAtMs", "sequence"];

function acceptable(type: TicketedType): StatementOf<TicketedType> {
  const entries = STATEMENT_FIELDS[type].map(({ name, type: fieldType }, index) => {
    if (FILLED.includes(name)) return [name, fieldType === "bytes32" ? digest(0) : 0n];
    if (fieldType === "bytes32") return [name, digest(index + 1)];
    return [name, fieldType === "uint8" ? 3 : 1n];
  });
  return Object.fromEntries(entries) as StatementOf<TicketedType>;
}

const optional = { InferenceStatement: ["circuitInput", "audience", "settlement"], Aborted: [] as string[] };
optional.Aborted = [...optional.InferenceStatement, "executionDigest"];

describe.each(["InferenceStatement", "Aborted"] as const)("%s", (type) => {
  it("passes when complete", () => {
    checkTicketed(type, acceptable(type));
  });

  const digests = STATEMENT_FIELDS[type].filter((field) => field.type === "bytes32");
  it.each(digests.map((field) => field.name).filter((name) => !FILLED.includes(name)))(
    "knows whether %s may be zero",
    (name) => {
      const fields = { ...acceptable(type), [name]: digest(0) };
      if (optional[type].includes(name)) checkTicketed(type, fields);
      else expect(() => checkTicketed(type, fields)).toThrow(refused);
    },
  );

  it.each([
    ["a keyset digest", { keysetDigest: digest(1) }],
    ["a time", { issuedAtMs: 1n }],
    ["a sequence", { sequence: 1n }],
    ["an unknown promise", { promised: 4 }],
    ["a promise without a deadline", { promiseDeadlineMs: 0n }],
    ["a deadline without a promise", { promised: 0 }],
    ["a circuit input above the field", { circuitInput: digest(0x31) }],
    [
      "a circuit input equal to the modulus",
      {
        circuitInput: Buffer.from("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001", "hex"),
      },
    ],
  ])("refuses %s from the service", (_name, change) => {
    expect(() => checkTicketed(type, { ...acceptable(type), ...change })).toThrow(refused);
  });

  it("takes the largest field element and no promise", () => {
    const circuitInput = Buffer.from(
      "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000000",
      "hex",
    );
    checkTicketed(type, { ...acceptable(type), circuitInput, promised: 0, promiseDeadlineMs: 0n });
  });
});
