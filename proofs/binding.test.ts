import { ed25519 } from "@noble/curves/ed25519.js";
import { describe, expect, it } from "vitest";
import { jcs, toHex0x, type Json } from "../codec/index.ts";
import { STATEMENT_FIELDS } from "../receipts/index.ts";
import { bindingDigest, bindingStatement, signCircuitBinding, verifyCircuitBinding } from "./binding.ts";
import { circuitToJson, parseCircuit } from "./circuit.ts";
import { ProofError } from "./error.ts";
import { recorded } from "./testing/recorded.ts";

const { circuit } = recorded("breast-cancer");
const SECRET = new Uint8Array(32).fill(3);
const text = signCircuitBinding(circuit, 1_700_000_000_000n, SECRET);

function codeOf(work: () => unknown): string {
  try {
    work();
    return "ok";
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return error.code;
  }
}

/** Another value of the same type. */
function changed(value: Json): Json {
  if (typeof value === "number") return value + 1;
  if (value === null) return `0x${"00".repeat(32)}`;
  if (typeof value === "string" && !/\d/.test(value)) return `${value}x`;
  if (typeof value === "string") return value.replace(/\d(?=\D*$)/, (digit) => (digit === "1" ? "2" : "1"));
  return Array.isArray(value) ? [...value, ...value] : [];
}

describe("a circuit binding", () => {
  it("says what its owner signed", () => {
    const { circuit: bound, owner, issuedAtMs } = verifyCircuitBinding(text);
    expect(circuitToJson(bound)).toEqual(circuitToJson(circuit));
    expect(toHex0x(owner)).toBe(toHex0x(ed25519.getPublicKey(SECRET)));
    expect(issuedAtMs).toBe(1_700_000_000_000n);
  });

  it("covers every field of the statement about it", () => {
    const statement = bindingStatement(text, 5n);
    expect(Object.keys(statement)).toEqual(STATEMENT_FIELDS.CircuitBinding.map(({ name }) => name));
    expect(toHex0x(statement.documentDigest)).toBe(toHex0x(bindingDigest(text)));
    expect(statement.bound).toBe(circuit.bound);
  });

  it("is refused where any member is changed", () => {
    const document = JSON.parse(text) as Record<string, Json> & { circuit: Record<string, Json> };
    for (const name of Object.keys(document.circuit)) {
      const circuitChanged = { ...document.circuit, [name]: changed(document.circuit[name]!) };
      const code = codeOf(() => verifyCircuitBinding(jcs({ ...document, circuit: circuitChanged })));
      expect(code, name).toMatch(/^binding_(invalid|signature_invalid)$/);
    }
    for (const name of ["issuedAtMs", "owner", "signature", "formatVersion"]) {
      const code = codeOf(() => verifyCircuitBinding(jcs({ ...document, [name]: changed(document[name]!) })));
      expect(code, name).toMatch(/^binding_(invalid|signature_invalid)$/);
    }
    expect(codeOf(() => verifyCircuitBinding(jcs({ ...document, more: 1 })))).toBe("binding_invalid");
    expect(codeOf(() => verifyCircuitBinding(JSON.stringify(document, null, 1)))).toBe("binding_invalid");
    expect(codeOf(() => verifyCircuitBinding("x"))).toBe("binding_invalid");
  });
});

describe("a circuit's record", () => {
  const record = circuitToJson(circuit);
  const cases: [string, Json, string][] = [
    ["vkDigest", `0x${"00".repeat(32)}`, "circuit_id_mismatch"],
    ["circuitId", `0x${"00".repeat(32)}`, "circuit_id_mismatch"],
    ["system", "other/1", "circuit_invalid"],
    ["srs", "real", "circuit_invalid"],
    ["parameters", "private", "circuit_invalid"],
    ["parameters", "hashed", "circuit_invalid"],
    ["bound", "18446744073709551616", "circuit_invalid"],
    ["inputScale", 31, "circuit_invalid"],
    [
      "inputs",
      [
        { name: "b", shape: [1] },
        { name: "a", shape: [1] },
      ],
      "circuit_invalid",
    ],
    ["inputs", [{ name: "x", shape: [65_537] }], "circuit_invalid"],
    ["proofBytes", 0, "circuit_invalid"],
    ["more", 1, "circuit_invalid"],
  ];
  it.each(cases)("whose %s is %j is refused", (name, value, code) => {
    expect(codeOf(() => parseCircuit(JSON.stringify({ ...record, [name]: value })))).toBe(code);
    expect(codeOf(() => parseCircuit(JSON.stringify(record)))).toBe("ok");
  });
});
