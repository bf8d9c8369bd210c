/** Both implementations of the signatures must say the same. */
import { constants, generateKeyPairSync, sign } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import { describe, expect, test } from "vitest";
import { fromBase64Url, concat, toHex, utf8 } from "../../codec/index.ts";
import * as browser from "./p256.browser.ts";
import * as node from "./p256.node.ts";
import type { Curve } from "./spki.ts";

const message = utf8("what is signed");

function ecdsaKey(curve: Curve) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", {
    namedCurve: curve === "p256" ? "P-256" : "P-384",
  });
  const { x, y } = publicKey.export({ format: "jwk" });
  const point = concat(Uint8Array.of(4), fromBase64Url(x!), fromBase64Url(y!));
  const hash = curve === "p256" ? "sha256" : "sha384";
  return {
    point,
    signature: new Uint8Array(sign(hash, message, { key: privateKey, dsaEncoding: "ieee-p1363" })),
  };
}

describe.each(["p256", "p384"] as const)("ECDSA on %s", (curve) => {
  const both = (point: Uint8Array, text: Uint8Array, signature: Uint8Array) => {
    const answers = [node, browser].map((module) => module.verifyEcdsa(curve, point, text, signature));
    expect(answers[0]).toBe(answers[1]);
    return answers[0];
  };
  const { point, signature } = ecdsaKey(curve);

  test("good signatures, of all lengths that r and s have in DER", () => {
    for (let i = 0; i < 40; i++) {
      const key = ecdsaKey(curve);
      expect(both(key.point, message, key.signature), toHex(key.signature)).toBe(true);
    }
  });

  test("bad ones", () => {
    for (let at = 0; at < signature.length; at += 5) {
      const changed = signature.slice();
      changed[at]! ^= 0x10;
      expect(both(point, message, changed)).toBe(false);
    }
    expect(both(point, utf8("something else"), signature)).toBe(false);
    expect(both(ecdsaKey(curve).point, message, signature)).toBe(false);
    for (const fill of [0, 1, 0xff])
      expect(
        both(
          point,
          message,
          signature.map(() => fill),
        ),
      ).toBe(false);
  });

  test("wrong lengths, and points that are none", () => {
    expect(both(point, message, signature.subarray(1))).toBe(false);
    expect(both(point, message, concat(signature, Uint8Array.of(0)))).toBe(false);
    expect(both(point.subarray(1), message, signature)).toBe(false);
    expect(both(concat(Uint8Array.of(2), point.subarray(1)), message, signature)).toBe(false);
    const off = point.slice();
    off[off.length - 1]! ^= 1;
    expect(both(off, message, signature)).toBe(false);
    expect(both(concat(Uint8Array.of(4), new Uint8Array(point.length - 1)), message, signature)).toBe(false);
  });
});

test("a high s is as good as a low one", () => {
  const secretKey = new Uint8Array(32).fill(9);
  const point = p256.getPublicKey(secretKey, false);
  const signature = p256.Signature.fromBytes(p256.sign(message, secretKey, { lowS: true }));
  const high = new p256.Signature(signature.r, p256.Point.Fn.ORDER - signature.s).toBytes("compact");
  expect(node.verifyEcdsa("p256", point, message, high)).toBe(true);
  expect(browser.verifyEcdsa("p256", point, message, high)).toBe(true);
});

function bothPss(key: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
  const answers = [node, browser].map((module) => module.verifyRsaPssSha384(key, text, signature));
  expect(answers[0]).toBe(answers[1]);
  return answers[0]!;
}

describe("RSASSA-PSS with SHA-384", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const spki = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
  const pss = (saltLength: number, hash = "sha384") =>
    new Uint8Array(
      sign(hash, message, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }),
    );

  test("good", () => {
    for (let i = 0; i < 5; i++) expect(bothPss(spki, message, pss(48))).toBe(true);
  });

  test("another salt length, hash, padding, text or length", () => {
    expect(bothPss(spki, message, pss(32))).toBe(false);
    expect(bothPss(spki, message, pss(32, "sha256"))).toBe(false);
    expect(bothPss(spki, message, new Uint8Array(sign("sha384", message, privateKey)))).toBe(false);
    expect(bothPss(spki, utf8("other"), pss(48))).toBe(false);
    expect(bothPss(spki, message, pss(48).subarray(1))).toBe(false);
    expect(bothPss(spki, message, new Uint8Array(256).fill(0xff))).toBe(false);
    const signature = pss(48);
    for (let at = 0; at < 256; at += 17) {
      const changed = signature.slice();
      changed[at]! ^= 1;
      expect(bothPss(spki, message, changed)).toBe(false);
    }
  });

  test("keys that are none, or too small", () => {
    expect(bothPss(spki.subarray(1), message, pss(48))).toBe(false);
    const small = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const key = new Uint8Array(small.publicKey.export({ format: "der", type: "spki" }));
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    const signature = new Uint8Array(
      sign("sha384", message, { key: small.privateKey, padding, saltLength: 20 }),
    );
    expect(bothPss(key, message, signature)).toBe(false);
  });
});

function rsaKey(bits: number) {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  const spki = new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
  return { privateKey, spki, signature: new Uint8Array(sign("sha256", message, privateKey)) };
}

function bothPkcs1(spki: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
  const answers = [node, browser].map((module) => module.verifyRsaPkcs1Sha256(spki, text, signature));
  expect(answers[0]).toBe(answers[1]);
  return answers[0]!;
}

describe("RSASSA-PKCS1-v1_5 with SHA-256", () => {
  const good = rsaKey(2048);

  test("good and bad ones", () => {
    expect(bothPkcs1(good.spki, message, good.signature)).toBe(true);
    expect(bothPkcs1(good.spki, utf8("other"), good.signature)).toBe(false);
    expect(bothPkcs1(rsaKey(2048).spki, message, good.signature)).toBe(false);
    expect(bothPkcs1(good.spki, message, good.signature.subarray(1))).toBe(false);
    expect(bothPkcs1(good.spki, message, new Uint8Array(256))).toBe(false);
    expect(bothPkcs1(good.spki, message, new Uint8Array(256).fill(255))).toBe(false);
    expect(bothPkcs1(good.spki.subarray(1), message, good.signature)).toBe(false);
    expect(bothPkcs1(ecdsaKey("p256").point, message, good.signature)).toBe(false);
  });

  test("other hashes, other padding, short keys", () => {
    const sha384 = new Uint8Array(sign("sha384", message, good.privateKey));
    expect(bothPkcs1(good.spki, message, sha384)).toBe(false);
    const pss = { key: good.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING };
    expect(bothPkcs1(good.spki, message, new Uint8Array(sign("sha256", message, pss)))).toBe(false);
    const short = rsaKey(1024);
    expect(bothPkcs1(short.spki, message, short.signature)).toBe(false);
  });
});
