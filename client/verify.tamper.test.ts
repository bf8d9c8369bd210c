import { beforeAll, describe, expect, it } from "vitest";
import { fromBase64Url, jcs, toBase64Url, toHex0x } from "../codec/index.ts";
import { parseBundle, serializeBundle, serializePrivatePart, STATEMENT_FIELDS } from "../receipts/index.ts";
import { fixtureManifest, requestBody, responseBody } from "../test/model-fixture.ts";
import { createIssuer, NOW_MS } from "../test/receipt-fixture.ts";
import { floats } from "../test/tensors.ts";
import type { Issuer, Receipt } from "../test/receipt-fixture.ts";
import {
  FIELD_CODES,
  fieldCases,
  FIELDS,
  memberCases,
  privateCases,
  replaced,
} from "../test/tamper-cases.ts";
import { verdictOf, type VerdictCase } from "../test/verdict.ts";
import { manifestText } from "../models/client.ts";

let issuer: Issuer;
let receipt: Receipt;
let other: Receipt;
let text: string;
let privatePart: string;

beforeAll(async () => {
  issuer = await createIssuer();
  receipt = issuer.issue({}, { included: true });
  text = serializeBundle(receipt.bundle);
  privatePart = serializePrivatePart(receipt.privatePart);
  const others = await createIssuer({ seed: 2 });
  other = others.issue(
    { requestId: new Uint8Array(32).fill(9) },
    {
      included: true,
      manifest: manifestText(fixtureManifest("other")),
      policy: jcs({ formatVersion: 1, assurance: "tee", circuitBinding: null, other: 1 }),
      execution: jcs({ formatVersion: 1, engine: "other", provider: "cpu" }),
      request: requestBody(
        floats(
          "x",
          Array.from({ length: 30 }, () => 1),
        ),
      ),
      response: responseBody(undefined, { modelName: "other" }),
    },
  );
});

function check(cases: VerdictCase[]): void {
  const found = cases.map((one) => `${one.name}: ${verdictOf(one).code}`);
  expect(found).toEqual(cases.map(({ name, code }) => `${name}: ${code}`));
}

const given = (bundle: string, code = "") => ({ name: "", bundle, privatePart, nowMs: NOW_MS, code });

describe("a receipt", () => {
  it("is accepted as it was made, by itself and with its private part", () => {
    expect(verdictOf(given(text)).code).toBe("ok");
    const { privatePart: _, ...alone } = given(text);
    const { code, claims } = verdictOf(alone);
    expect(code).toBe("ok");
    expect(claims.find(({ claim }) => claim === "bodies")?.status).toBe("unchecked");
  });

  it("gives every field a code of its own", () => {
    expect(new Set(Object.values(FIELD_CODES).map(({ flipped }) => flipped)).size).toBe(FIELDS.length);
    expect(Object.keys(FIELD_CODES)).toEqual(FIELDS.map(({ name }) => name));
    expect(FIELDS.length).toBe(17);
  });

  it("is refused by that code where a field is flipped, and where it is signed anew and something binds it", () => {
    check(fieldCases(issuer, receipt));
  });

  it("is refused where padding of a number, version or type of the header form is changed", () => {
    const numbers = FIELDS.flatMap(({ type }, i) => (type === "bytes32" ? [] : [2 + 32 * i]));
    for (const offset of [0, 1, ...numbers]) {
      const header = fromBase64Url(receipt.bundle.receipt);
      header[offset]! ^= 2;
      expect(verdictOf(given(replaced(text, ["receipt"], toBase64Url(header)))).code).toBe("bundle_invalid");
    }
  });

  it("is refused whichever bit of the signature changes, in either form or in both", () => {
    const start = 2 + 32 * FIELDS.length;
    for (let bit = 0; bit < 65 * 8; bit++) {
      const header = fromBase64Url(receipt.bundle.receipt);
      header[start + (bit >> 3)]! ^= 1 << (bit & 7);
      const changed = replaced(text, ["receipt"], toBase64Url(header));
      const signature = toHex0x(header.subarray(start));
      if (bit % 40 === 0) {
        expect(verdictOf(given(changed)).code).toBe("signature_mismatch");
        expect(verdictOf(given(replaced(text, ["signature"], signature))).code).toBe("signature_mismatch");
      }
      const { code } = verdictOf(given(replaced(changed, ["signature"], signature)));
      expect(["signature_invalid", "signature_high_s", "signer_not_in_keyset"]).toContain(code);
    }
  });

  it("is refused by an exact code where any other member is flipped, cut, or taken from another receipt", () => {
    expect(
      verdictOf({
        ...given(serializeBundle(other.bundle)),
        privatePart: serializePrivatePart(other.privatePart),
      }).code,
    ).toBe("ok");
    check(memberCases(receipt, other));
  });

  it("is refused by an exact code where the private part is changed", () => {
    check(privateCases(receipt));
    const binary = issuer.issue(
      {},
      { request: requestBody(undefined, true), response: responseBody(undefined, { binary: true }) },
    );
    check(privateCases(binary));
  });

  it("is refused with another receipt's private part", () => {
    const mine = { ...given(text), privatePart: serializePrivatePart({ ...other.privatePart }) };
    expect(verdictOf(mine).code).toBe("request_digest_mismatch");
  });

  it("is refused where a member is missing, doubled by another name, or of the prototype", () => {
    const document = JSON.parse(text) as Record<string, unknown>;
    const objects = [
      [],
      ["statement"],
      ["keysetStatement"],
      ["keysetStatement", "statement"],
      ["evidence"],
      ["keysetLog"],
      ["inclusion"],
    ];
    for (const path of objects) {
      const parent = path.reduce<Record<string, unknown>>((node, part) => node[part] as never, document);
      for (const name of Object.keys(parent)) {
        const copy = JSON.parse(text) as Record<string, unknown>;
        delete path.reduce<Record<string, unknown>>((node, part) => node[part] as never, copy)[name];
        expect(verdictOf(given(JSON.stringify(copy))).code).toBe("bundle_invalid");
      }
      for (const extra of ["__proto__", "constructor", "toString", "extra"]) {
        const key = path.length === 0 ? "{" : `"${path.at(-1)}": {`;
        const changed = text.replace(key, `${key} "${extra}": {"formatVersion": 1},`);
        expect(changed).not.toBe(text);
        expect(verdictOf(given(changed)).code).toBe("bundle_invalid");
      }
    }
    const polluted = text.replace('"endorsements": {', '"endorsements": {"__proto__": {"polluted": "yes"},');
    expect(verdictOf(given(polluted)).code).toBe("bundle_invalid");
    expect(Reflect.get({}, "polluted")).toBeUndefined();
  });

  it("is refused with a proof too long or too short, and without one where one is wanted", () => {
    const { keysetLog, inclusion } = JSON.parse(text) as {
      keysetLog: { proof: string[] };
      inclusion: { proof: string[] };
    };
    for (const proof of [keysetLog.proof.slice(1), [...keysetLog.proof, keysetLog.proof[0]!], []]) {
      expect(verdictOf(given(replaced(text, ["keysetLog", "proof"], proof))).code).toBe("keyset_not_logged");
    }
    for (const proof of [inclusion.proof.slice(1), [...inclusion.proof, inclusion.proof[0]!], []]) {
      expect(verdictOf(given(replaced(text, ["inclusion", "proof"], proof))).code).toBe("inclusion_invalid");
    }
    const bare = given(replaced(text, ["inclusion"], null));
    expect(verdictOf(bare).claims.find(({ claim }) => claim === "logged")?.status).toBe("unchecked");
    const wanting = { ...bare, policy: { allowSimulated: true, requireInclusion: true } };
    expect(verdictOf(wanting).code).toBe("inclusion_missing");
  });

  it("is refused where it is too large or no JSON", () => {
    expect(verdictOf(given(`${text}${" ".repeat(4 * 1024 * 1024)}`)).code).toBe("bundle_limit");
    for (const bad of ["", "null", "[]", "7", '"x"', "[".repeat(100_000), text.slice(0, -3)]) {
      expect(verdictOf(given(bad)).code).toBe("bundle_invalid");
    }
    for (const version of [0, 2, "1", null, 1.5]) {
      expect(verdictOf(given(replaced(text, ["formatVersion"], version))).code).toBe(
        "format_version_unknown",
      );
    }
  });
});

describe("an Aborted receipt", () => {
  it("is accepted as what it is, and refused where any field or text is changed", () => {
    const { bundle, privatePart: part } = issuer.abort();
    const aborted = serializeBundle(bundle);
    const one = { ...given(aborted), privatePart: serializePrivatePart(part) };
    const { code, claims } = verdictOf(one);
    expect(code).toBe("ok");
    expect(claims.find(({ claim }) => claim === "complete")).toMatchObject({
      value: "no: the answer broke off",
    });
    for (const { name } of STATEMENT_FIELDS.Aborted) {
      const value = (JSON.parse(aborted) as { statement: Record<string, string | number> }).statement[name]!;
      const flipped =
        typeof value === "number" ? value + 1 : value.replace(/.$/, (digit) => (digit === "1" ? "2" : "1"));
      const changed = { ...one, bundle: replaced(aborted, ["statement", name], flipped) };
      expect(verdictOf(changed).code).toBe(FIELD_CODES[name].flipped);
    }
    for (const name of ["manifest", "policy", "execution"]) {
      const changed = { ...one, bundle: replaced(aborted, [name], "{}") };
      expect(verdictOf(changed).verdict).toBe("rejected");
    }
    expect(parseBundle(aborted).type).toBe("Aborted");
  });
});
