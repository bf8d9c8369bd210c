import { describe, expect, test } from "vitest";
import { concat, fromHex, toHex, utf8 } from "../../codec/index.ts";
import { pem } from "../attest/der-write.ts";
import { certificate, crl, developmentKey } from "../attest/simulated-pki.ts";
import type { CertificateParams } from "../attest/simulated-pki.ts";
import { checkRevoked, rawEcdsaSignature, verifyChain, verifyCrl, type ChainOptions } from "./chain.ts";
import { parsePem } from "./pem.ts";
import { parseCertificate, parseCrl, type Certificate } from "./x509.ts";

const NOW = Date.parse("2026-06-01T00:00:00Z") / 1000;
const root = developmentKey("Chain test root");
const middle = developmentKey("Chain test middle");
const lower = developmentKey("Chain test lower");
const leaf = developmentKey("Chain test leaf");

function make(params: CertificateParams): Certificate {
  return parseCertificate(certificate(params));
}

const ROOT = make({ subject: root, issuer: root, authorityPathLength: 2 });
const MIDDLE = make({ subject: middle, issuer: root, authorityPathLength: 0 });
const LEAF = make({ subject: leaf, issuer: middle });

function codeOf(run: () => unknown): string {
  try {
    run();
    return "ok";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

function verify(chain: readonly Certificate[], options: Partial<ChainOptions> = {}): string {
  return codeOf(() => verifyChain(chain, { roots: [ROOT], nowSeconds: NOW, ...options }));
}

/** An Extension, DER: OID 1.2.3, critical, with NULL in it. */
const CRITICAL = fromHex("300b06022a030101ff04020500");

describe("chains", () => {
  test.each<[string, readonly Certificate[], Partial<ChainOptions>, string]>([
    ["leaf, authority, root", [LEAF, MIDDLE, ROOT], {}, "ok"],
    ["without the root, which is known", [LEAF, MIDDLE], {}, "ok"],
    ["nothing", [], {}, "certificate_chain_length"],
    ["seven certificates", Array.from({ length: 7 }, () => ROOT), {}, "certificate_chain_length"],
    [
      "to another root",
      [LEAF, MIDDLE, ROOT],
      { roots: [make({ subject: lower, issuer: lower, authorityPathLength: 1 })] },
      "certificate_untrusted_root",
    ],
    [
      "to a root of the same name and another key",
      [LEAF, MIDDLE],
      {
        roots: [
          make({ subject: { ...lower, commonName: root.commonName }, issuer: lower, authorityPathLength: 1 }),
        ],
      },
      "certificate_signature_invalid",
    ],
    ["out of order", [LEAF, ROOT, MIDDLE], {}, "certificate_issuer_mismatch"],
    [
      "signed by another key of that name",
      [make({ subject: leaf, issuer: { ...lower, commonName: middle.commonName } }), MIDDLE, ROOT],
      {},
      "certificate_signature_invalid",
    ],
    [
      "with a leaf as issuer",
      [make({ subject: lower, issuer: leaf }), LEAF, MIDDLE, ROOT],
      {},
      "certificate_not_ca",
    ],
    [
      "longer than an authority allows",
      [
        make({ subject: leaf, issuer: lower }),
        make({ subject: lower, issuer: middle, authorityPathLength: 0 }),
        MIDDLE,
        ROOT,
      ],
      {},
      "certificate_path_length",
    ],
    [
      "before its time",
      [LEAF, MIDDLE, ROOT],
      { nowSeconds: LEAF.notBefore - 1 },
      "certificate_not_yet_valid",
    ],
    ["after its time", [LEAF, MIDDLE, ROOT], { nowSeconds: LEAF.notAfter + 1 }, "certificate_expired"],
    ["with an authority as leaf", [MIDDLE, ROOT], {}, "certificate_ca_as_leaf"],
    ["with the root as leaf", [ROOT], {}, "certificate_ca_as_leaf"],
    ["of an authority, where one is asked for", [MIDDLE, ROOT], { authority: true }, "ok"],
    [
      "of a leaf, where an authority is asked for",
      [LEAF, MIDDLE, ROOT],
      { authority: true },
      "certificate_not_ca",
    ],
    [
      "with an unknown critical extension",
      [make({ subject: leaf, issuer: middle, extensions: [CRITICAL] }), MIDDLE, ROOT],
      {},
      "certificate_critical_extension",
    ],
    [
      "with a known critical extension",
      [make({ subject: leaf, issuer: middle, extensions: [CRITICAL] }), MIDDLE, ROOT],
      { knownExtensions: new Set(["1.2.3"]) },
      "ok",
    ],
    [
      "whose signatures are known, and whose names differ",
      [make({ subject: leaf, issuer: lower }), MIDDLE, ROOT],
      { verified: new Set([LEAF]) },
      "certificate_issuer_mismatch",
    ],
  ])("%s", (_name, chain, options, code) => {
    expect(verify(chain, options)).toBe(code);
  });
});

describe("CRLs", () => {
  const dates = {
    thisUpdate: new Date("2026-05-01T00:00:00Z"),
    nextUpdate: new Date("2026-07-01T00:00:00Z"),
  };
  const good = parseCrl(crl({ issuer: root, ...dates, revokedSerials: [fromHex("0102"), MIDDLE.serial] }));

  test.each<[string, () => unknown, string]>([
    ["signed and in date", () => verifyCrl(good, ROOT, NOW), "ok"],
    ["of another issuer", () => verifyCrl(good, MIDDLE, NOW), "crl_issuer_mismatch"],
    [
      "by another key of that name",
      () =>
        verifyCrl(parseCrl(crl({ issuer: { ...lower, commonName: root.commonName }, ...dates })), ROOT, NOW),
      "crl_signature_invalid",
    ],
    [
      "by a leaf",
      () => verifyCrl(parseCrl(crl({ issuer: leaf, ...dates })), LEAF, NOW),
      "certificate_key_usage",
    ],
    ["too early", () => verifyCrl(good, ROOT, good.thisUpdate - 1), "crl_not_yet_valid"],
    ["too late", () => verifyCrl(good, ROOT, good.nextUpdate + 1), "crl_expired"],
    ["that revokes it", () => checkRevoked(MIDDLE, good), "certificate_revoked"],
    ["that does not", () => checkRevoked(LEAF, good), "ok"],
    ["that is none", () => parseCrl(ROOT.der), "crl_malformed"],
    ["with bytes after it", () => parseCrl(concat(good.der, new Uint8Array(1))), "crl_malformed"],
  ])("%s", (_name, run, code) => {
    expect(codeOf(run)).toBe(code);
  });
});

test("every cut of a certificate is malformed", () => {
  for (let length = 0; length < LEAF.der.length; length++) {
    expect(codeOf(() => parseCertificate(LEAF.der.subarray(0, length)))).toBe("certificate_malformed");
  }
});

test("every flipped byte of a certificate is refused", () => {
  for (let at = 0; at < LEAF.der.length; at++) {
    const der = LEAF.der.slice();
    der[at]! ^= 1;
    expect(
      codeOf(() => verifyChain([parseCertificate(der), MIDDLE, ROOT], { roots: [ROOT], nowSeconds: NOW })),
      String(at),
    ).not.toBe("ok");
  }
});

test("an ECDSA signature has one form", () => {
  const raw = new Uint8Array(64).fill(1);
  raw[0] = 0x80;
  const r = `0221 00${toHex(raw.subarray(0, 32))}`.replace(" ", "");
  const s = `0220${toHex(raw.subarray(32))}`;
  expect(rawEcdsaSignature(fromHex(`3045${r}${s}`), 32)).toEqual(raw);
  for (const bad of [
    "",
    "3000",
    `3045${r}${s}00`,
    `3046${r}${s}00`,
    `3044${r.replace("022100", "0220")}${s}`,
  ]) {
    expect(rawEcdsaSignature(fromHex(bad), 32), bad).toBeUndefined();
  }
});

describe("PEM", () => {
  const text = pem("CERTIFICATE", LEAF.der);

  test("is read with either line end, several in a text, zero bytes after the last", () => {
    expect(parsePem(text)).toEqual([LEAF.der]);
    expect(parsePem(`\n${text.replaceAll("\n", "\r\n")}\n${text}\0`)).toEqual([LEAF.der, LEAF.der]);
    expect(parsePem("")).toEqual([]);
  });

  test.each([
    ["other text", "text"],
    ["text before", `text${text}`],
    ["text after", `${text}text`],
    ["text between", `${text}text${text}`],
    ["zero bytes alone", "\0"],
    ["another label", pem("X509 CRL", LEAF.der)],
    ["no end", text.slice(0, -20)],
    ["a bad character", text.replace("MII", "M*I")],
    ["a character beyond Latin-1", text.replace("MII", "M\u0149I")],
    ["padding amid", text.replace("MII", "M=I")],
    ["too little padding", pem("CERTIFICATE", Uint8Array.of(1)).replace("==", "=")],
    ["too much padding", pem("CERTIFICATE", Uint8Array.of(1, 2, 3)).replace("AQID", "AQID====")],
    ["unused bits set", pem("CERTIFICATE", Uint8Array.of(1)).replace("AQ==", "AR==")],
    ["17 blocks", text.repeat(17)],
    ["too long a text", " ".repeat((1 << 17) + 1)],
  ])("%s is refused", (_name, bad) => {
    expect(() => parsePem(bad)).toThrow(expect.objectContaining({ code: "der_value" }));
  });

  test("any bytes come back", () => {
    for (let length = 0; length < 100; length++) {
      const bytes = utf8("x".repeat(length)).map((_, i) => (i * 7 + length) & 0xff);
      expect(parsePem(pem("CERTIFICATE", bytes))).toEqual([bytes]);
    }
  });
});
