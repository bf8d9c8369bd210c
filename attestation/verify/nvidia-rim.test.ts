import { describe, expect, test } from "vitest";
import { toBase64, toHex } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { parseRim } from "../parse/nvidia-rim.ts";
import { rimDocument, signRim, testRim, testRimSigner } from "../testing/nvidia.ts";
import { verifyRim } from "./nvidia-rim.ts";
import { parseCertificate, X509Error } from "./x509.ts";

const signer = testRimSigner();
const value = new Uint8Array(48).fill(0xab);
const document = rimDocument({
  version: "550.90.07",
  measurements: new Map([
    [1, [value]],
    [2, [value, value]],
  ]),
});
const good = signRim(document, signer);
const nowSeconds = Date.parse("2026-11-23") / 1000;

function codeOf(text: string, root = signer.rootDer): string {
  try {
    verifyRim(parseRim(text), { roots: [parseCertificate(root)], nowSeconds });
    return "ok";
  } catch (error) {
    if (error instanceof AttestationError || error instanceof X509Error) return error.code;
    throw error;
  }
}

function replaced(from: string, to: string): string {
  const text = good.replace(from, to);
  expect(text).not.toBe(good);
  return text;
}

test("a manifest holds under its root", () => {
  expect(codeOf(good)).toBe("ok");
  const { version, kind, product, measurements } = parseRim(good);
  expect({ version, kind, product }).toEqual({ version: "550.90.07", kind: "driver", product: "GH100" });
  expect([...measurements.keys()]).toEqual([1, 2]);
  expect(measurements.get(2)!.alternatives).toHaveLength(2);
});

test("another root, other dates, another signer", () => {
  const other = testRimSigner("Other RIM");
  expect(codeOf(good, other.rootDer)).toBe("certificate_untrusted_root");
  const old = testRimSigner("Old RIM", new Date("2026-01-01T00:00:00Z"));
  expect(codeOf(signRim(document, old), old.rootDer)).toBe("certificate_expired");
  const swapped = replaced(toBase64(signer.signerDer), toBase64(other.signerDer));
  expect(codeOf(swapped)).toBe("rim_signature_invalid");
});

describe("every part is signed", () => {
  test.each([
    ["a hash", toHex(value), `${"0".repeat(95)}1`],
    ["an index", 'index="1"', 'index="3"'],
    ["whether a measurement is active", 'index="63" active="False"', 'index="63" active="True" size="48"'],
    ["the version", "550.90.07", "550.90.08"],
    ["the product", 'product="GH100"', 'product="GB100"'],
    ["white space", "    <ns0:Payload>", "   <ns0:Payload>"],
    ["an attribute's name", 'revision="r1"', 'review="r1"'],
    ["a namespace", 'xmlns:ns0="http', 'xmlns:other="http://other.test" xmlns:ns0="http'],
    ["text", "</SoftwareIdentity>", " </SoftwareIdentity>"],
    ["an element", "</ns0:Payload>", "<ns0:Resource/></ns0:Payload>"],
  ])("%s", (_, from, to) => {
    expect(["rim_digest_mismatch", "rim_malformed"]).toContain(codeOf(replaced(from, to)));
  });

  test("the digest and the signature", () => {
    const digest = /<ds:DigestValue>(.)/.exec(good)![1]!;
    expect(
      codeOf(replaced(`<ds:DigestValue>${digest}`, `<ds:DigestValue>${digest === "A" ? "B" : "A"}`)),
    ).toBe("rim_digest_mismatch");
    const first = /<ds:SignatureValue>(.)/.exec(good)![1]!;
    expect(
      codeOf(replaced(`<ds:SignatureValue>${first}`, `<ds:SignatureValue>${first === "A" ? "B" : "A"}`)),
    ).toBe("rim_signature_invalid");
  });
});

test.each([
  ["order of attributes", 'edition="GPU" product="GH100"', 'product="GH100" edition="GPU"'],
  ["quotes", 'edition="GPU"', "edition='GPU'"],
  ["an empty element's end", 'tagCreator"/>', 'tagCreator"></ns0:Entity>'],
  ["a reference for a character", "Test &amp; Corporation", "Test &#38; Corporation"],
  ["line ends", "\n    <ns0:Payload>", "\r\n    <ns0:Payload>"],
  ["an XML declaration", "<SoftwareIdentity", '<?xml version="1.0" encoding="UTF-8"?>\n<SoftwareIdentity'],
  ["spaces in a tag", "<ns0:Payload>", "<ns0:Payload >"],
])("%s make no difference to canonical XML", (_, from, to) => {
  expect(codeOf(replaced(from, to))).toBe("ok");
});

function resigned(from: string, to: string): string {
  const text = signRim(document, signer, (info) => info.replace(from, to));
  expect(text).not.toBe(signRim(document, signer));
  return codeOf(text);
}

describe("other forms of signature are not understood", () => {
  test.each([
    ["a reference to a part", 'URI=""', 'URI="#part"'],
    ["no reference's address", ' URI=""', ""],
    [
      "another canonical form",
      '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2006/12/xml-c14n11"/>',
      '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>',
    ],
    ["another algorithm", "xmldsig-more#ecdsa-sha384", "xmldsig-more#hmac-sha384"],
    [
      "another digest",
      '"http://www.w3.org/2001/04/xmldsig-more#sha384"',
      '"http://www.w3.org/2000/09/xmldsig#sha1"',
    ],
    ["another transform", "xmldsig#enveloped-signature", "xmldsig#base64"],
    ["a parameter", "<ds:DigestValue>", "<ds:Extra/><ds:DigestValue>"],
    ["text between", "<ds:Reference", "text<ds:Reference"],
  ])("%s", (_, from, to) => {
    expect(resigned(from, to)).toBe("rim_transform_unsupported");
  });

  test("two signatures, or one further in", () => {
    const signature = good.slice(good.indexOf("<ds:Signature "), good.indexOf("</SoftwareIdentity>"));
    expect(codeOf(good.replace(signature, signature + signature))).toBe("rim_malformed");
    const inside = good.replace(signature, "").replace("</ns0:Payload>", `${signature}</ns0:Payload>`);
    expect(codeOf(inside)).toBe("rim_malformed");
  });
});

describe("what a signer may not write", () => {
  test.each([
    ["a version that is none", "550.90.07", "latest"],
    ["an index twice", 'index="2"', 'index="1"'],
    ["an index that is none", 'index="2"', 'index="-2"'],
    ["alternatives that are missing", 'alternatives="2"', 'alternatives="3"'],
    ["alternatives without number", 'alternatives="2"', 'alternatives="x"'],
    ["a short hash", toHex(value), "00"],
    ["another size", 'size="48"', 'size="64"'],
    ["active that is neither", 'active="True"', 'active="yes"'],
    ["another resource", 'type="Measurement"', 'type="File"'],
    ["another root element", /SoftwareIdentity/g, "Software"],
    ["no payload", /ns0:Payload/g, "ns0:Load"],
  ])("%s", (_, from, to) => {
    expect(
      codeOf(signRim(document.replaceAll(from instanceof RegExp ? from : new RegExp(from, "g"), to), signer)),
    ).toBe("rim_malformed");
  });
});

test("both kinds of version", () => {
  const rim = parseRim(testRim({ version: "96.00.5E.00.01", measurements: new Map([[1, [value]]]) }, signer));
  expect({ kind: rim.kind, version: rim.version }).toEqual({ kind: "vbios", version: "96.00.5e.00.01" });
});
