import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { describe, expect, it } from "vitest";
import { jcs, sha256, toHex, utf8, type Json } from "../codec/index.ts";
import { manifestText, modelBom, modelId, parseManifest, type Manifest, type ModelError } from "./client.ts";

const ZOO = join(import.meta.dirname, "zoo");
const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
const digest = (name: string) => `sha256:${toHex(sha256(utf8(name)))}`;
const hex = (name: string) => digest(name).slice("sha256:".length);
const idOf = (value: object) => toHex(modelId(manifestText(parseManifest(JSON.stringify(value)))));
const PROVENANCE = {
  owner: { name: "Acme", url: "https://acme.example/" },
  trainingData: [
    {
      name: "lines of text",
      digest: digest("lines"),
      licence: "CC-BY-4.0",
      url: "https://data.example/lines",
    },
    { name: "more lines", digest: digest("more") },
  ],
  trainingLog: { digest: digest("log") },
  payees: [
    { account: "eip155:1:0xab16a96D359eC26a11e2C2b3d8f8B8942d5Bfcdb", shareBasisPoints: 9000 },
    { account: "eip155:8453:0x0000000000000000000000000000000000000001", shareBasisPoints: 1000 },
  ],
};

async function zoo(name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(ZOO, name, "manifest.json"), "utf8")) as Record<string, unknown>;
}

async function full(): Promise<Manifest> {
  return parseManifest(
    JSON.stringify({ ...(await zoo("ocr")), owner: "11".repeat(32), provenance: PROVENANCE }),
  );
}

describe("a bill of materials", () => {
  it.each(["breast-cancer", "digits", "ocr", "vad"])("of %s is one by CycloneDX's schema", async (name) => {
    const text = modelBom(parseManifest(JSON.stringify(await zoo(name))));
    expect(await validator.validate(text)).toBeNull();
    expect(await validator.validate(text.replace("machine-learning-model", "model"))).not.toBeNull();
  });

  it("is the same for the same manifest, and another for another", async () => {
    const manifest = await full();
    const text = modelBom(manifest);
    const reordered = Object.fromEntries(Object.entries(manifest).toReversed());
    expect(modelBom(parseManifest(JSON.stringify(reordered)))).toBe(text);
    const other = JSON.parse(modelBom({ ...manifest, title: "another" })) as { serialNumber: string };
    expect(other.serialNumber).not.toBe((JSON.parse(text) as typeof other).serialNumber);
    expect(other.serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  it("says what the manifest says", async () => {
    const manifest = await full();
    const text = modelBom(manifest);
    expect(await validator.validate(text)).toBeNull();
    expect(JSON.parse(text)).toMatchObject({
      metadata: {
        component: {
          type: "machine-learning-model",
          name: "ocr",
          version: manifest.version,
          supplier: { name: "Acme", url: ["https://acme.example/"] },
          hashes: [{ alg: "SHA-256", content: manifest.weights.sha256 }],
          licenses: [{ expression: "Apache-2.0" }],
          externalReferences: [
            { type: "distribution", url: expect.stringMatching(/^pkg:npm\/%40gutenye\/ocr-models@1\.4\.2#/) },
            {
              type: "log",
              url: expect.stringMatching(/^ni:\/\/\/sha-256;/),
              hashes: [{ content: hex("log") }],
            },
          ],
          modelCard: { modelParameters: { datasets: [{ ref: "dataset-1" }, { ref: "dataset-2" }] } },
          properties: expect.arrayContaining([
            { name: "affidavit:owner", value: `ed25519:0x${"11".repeat(32)}` },
            { name: "affidavit:payee", value: `${PROVENANCE.payees[1]!.account} 1000/10000` },
          ]),
        },
      },
      components: [
        {
          name: "lines of text",
          hashes: [{ content: hex("lines") }],
          licenses: [{ expression: "CC-BY-4.0" }],
        },
        { name: "more lines", hashes: [{ content: hex("more") }] },
      ],
    });
  });
});

describe("provenance", () => {
  it("is of the model id where it is said, and changes no other", async () => {
    const plain = await zoo("ocr");
    expect(idOf(plain)).toBe(toHex(sha256(utf8(jcs(plain as Json)))));
    const ids = [
      plain,
      { ...plain, provenance: PROVENANCE },
      { ...plain, provenance: { owner: { name: "x" } } },
    ];
    expect(new Set(ids.map(idOf)).size).toBe(3);
  });

  it.each<[string, object]>([
    ["nothing", {}],
    ["another member", { ...PROVENANCE, trainer: "me" }],
    ["no data", { trainingData: [] }],
    ["one data set twice", { trainingData: [PROVENANCE.trainingData[0], PROVENANCE.trainingData[0]] }],
    ["a digest of another form", { trainingData: [{ name: "x", digest: "sha1:00" }] }],
    ["a digest in capitals", { trainingLog: { digest: PROVENANCE.trainingLog.digest.toUpperCase() } }],
    ["an address in the clear", { owner: { name: "x", url: "http://acme.example" } }],
    ["a name of two lines", { owner: { name: "x\ny" } }],
    ["half a surrogate", { owner: { name: "\ud800" } }],
    ["shares of less", { payees: [{ ...PROVENANCE.payees[0], shareBasisPoints: 9999 }] }],
    [
      "one payee twice",
      { payees: PROVENANCE.payees.map((payee) => ({ ...payee, account: "eip155:1:0x1" })) },
    ],
    ["no CAIP-10 account", { payees: [{ account: "0xabc", shareBasisPoints: 10_000 }] }],
  ])("of %s is refused", async (_, provenance) => {
    const text = JSON.stringify({ ...(await zoo("ocr")), provenance });
    expect(() => parseManifest(text)).toThrow(
      expect.objectContaining<Partial<ModelError>>({ code: "manifest_invalid" }),
    );
  });
});
