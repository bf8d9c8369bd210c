import { generateKeyPairSync } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ModelRegistry } from "../registry.ts";
import { readModelSigner, signFolder, SIGNATURE_FILE, verifyFolder } from "./index.ts";

const ZOO_MODEL = join(import.meta.dirname, "../zoo/breast-cancer");
const refusal = (code: string) => expect.objectContaining({ name: "ModelError", code });

function keyPair(namedCurve: string) {
  return generateKeyPairSync("ec", {
    namedCurve,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
}

const owner = keyPair("prime256v1");
const signers = [readModelSigner(owner.publicKey)];
let models: string;
let folder: string;

beforeEach(async () => {
  models = await mkdtemp(join(tmpdir(), "signing-"));
  folder = join(models, "mine");
  await mkdir(join(folder, "docs"), { recursive: true });
  for (const file of ["manifest.json", "model.onnx"])
    await writeFile(join(folder, file), await readFile(join(ZOO_MODEL, file)));
  await writeFile(join(folder, "docs/card.md"), "a card");
  await writeFile(join(folder, "docs-of-others"), "sorts after docs/");
  await writeFile(join(folder, ".gitignore"), "left out");
  await writeFile(join(folder, SIGNATURE_FILE), await signFolder(folder, owner.privateKey));
});
afterEach(() => rm(models, { recursive: true, force: true }));

interface Bundle {
  mediaType: string;
  verificationMaterial: { publicKey: { hint: string }; tlogEntries: unknown[] };
  dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string; keyid: string }[] };
}

async function readBundle(): Promise<Bundle> {
  return JSON.parse(await readFile(join(folder, SIGNATURE_FILE), "utf8")) as Bundle;
}

async function changeBundle(change: (bundle: Bundle) => void): Promise<void> {
  const bundle = await readBundle();
  change(bundle);
  await writeFile(join(folder, SIGNATURE_FILE), JSON.stringify(bundle));
}

function flipFirst(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  bytes[bytes.length - 1]! ^= 1;
  return bytes.toString("base64");
}

describe("a signed folder", () => {
  it.each(["prime256v1", "secp384r1", "secp521r1"])("verifies with a key on %s", async (curve) => {
    const { privateKey, publicKey } = keyPair(curve);
    await writeFile(join(folder, SIGNATURE_FILE), await signFolder(folder, privateKey));
    const signer = readModelSigner(publicKey);
    expect((await verifyFolder(folder, [...signers, signer])).hint).toBe(signer.hint);
  });

  it("names its files as the reference implementation sorts them", async () => {
    const { payload } = (await readBundle()).dsseEnvelope;
    const { predicate } = JSON.parse(Buffer.from(payload, "base64").toString()) as {
      predicate: { resources: { name: string }[] };
    };
    expect(predicate.resources.map(({ name }) => name)).toEqual([
      "docs/card.md",
      "docs-of-others",
      "manifest.json",
      "model.onnx",
    ]);
  });

  it.each(["secp256k1", "brainpoolP256r1"])("is not signed with a key on %s", async (curve) => {
    const { privateKey } = keyPair(curve);
    await expect(signFolder(folder, privateKey)).rejects.toEqual(refusal("model_key_invalid"));
  });

  it.each<[string, string, () => Promise<unknown>]>([
    ["model_files_mismatch", "a changed file", () => writeFile(join(folder, "docs/card.md"), "b")],
    ["model_files_mismatch", "a missing file", () => rm(join(folder, "docs/card.md"))],
    ["model_files_mismatch", "an added file", () => writeFile(join(folder, "docs/more.md"), "b")],
    ["model_folder_unsignable", "an added link", () => symlink("model.onnx", join(folder, "link"))],
    ["model_unsigned", "no signature", () => rm(join(folder, SIGNATURE_FILE))],
    ["model_signature_malformed", "no JSON", () => writeFile(join(folder, SIGNATURE_FILE), "no")],
    [
      "model_signature_malformed",
      "another media type",
      () => changeBundle((bundle) => (bundle.mediaType += "1")),
    ],
    [
      "model_signature_malformed",
      "another payload type",
      () => changeBundle(({ dsseEnvelope }) => (dsseEnvelope.payloadType = "text/plain")),
    ],
    [
      "model_signature_malformed",
      "two signatures",
      () => changeBundle(({ dsseEnvelope: { signatures } }) => signatures.push(signatures[0]!)),
    ],
    [
      "model_signature_malformed",
      "a log entry that nobody checks",
      () => changeBundle(({ verificationMaterial }) => verificationMaterial.tlogEntries.push({})),
    ],
    [
      "model_signer_unknown",
      "another key's name",
      () =>
        changeBundle(({ verificationMaterial }) => (verificationMaterial.publicKey.hint = "0".repeat(64))),
    ],
    [
      "model_signature_invalid",
      "a changed statement",
      () => changeBundle(({ dsseEnvelope }) => (dsseEnvelope.payload = flipFirst(dsseEnvelope.payload))),
    ],
    [
      "model_signature_invalid",
      "a changed signature",
      () =>
        changeBundle(
          ({ dsseEnvelope: { signatures } }) => (signatures[0]!.sig = flipFirst(signatures[0]!.sig)),
        ),
    ],
  ])("is refused with %s for %s", async (code, _, change) => {
    await verifyFolder(folder, signers);
    await change();
    await expect(verifyFolder(folder, signers)).rejects.toEqual(refusal(code));
  });

  it("is refused under another's key", async () => {
    const stranger = readModelSigner(keyPair("prime256v1").publicKey);
    await expect(verifyFolder(folder, [stranger])).rejects.toEqual(refusal("model_signer_unknown"));
    await expect(verifyFolder(folder, [])).rejects.toEqual(refusal("model_signer_unknown"));
    // The name of a key is not the key.
    const disguised = { hint: signers[0]!.hint, key: stranger.key };
    await expect(verifyFolder(folder, [disguised])).rejects.toEqual(refusal("model_signature_invalid"));
  });
});

const load = () => ModelRegistry.load([{ directory: models, signers }]);

describe("a registry that wants signatures", () => {
  it("takes a signed model, and refuses it once anything was changed", async () => {
    expect((await load()).list()).toHaveLength(1);
    const manifest = await readFile(join(folder, "manifest.json"), "utf8");
    await writeFile(join(folder, "manifest.json"), `${manifest} `);
    await expect(load()).rejects.toEqual(refusal("model_files_mismatch"));
  });

  it("holds weights that were changed later against the manifest", async () => {
    await writeFile(join(folder, "model.onnx"), "other weights");
    const model = (await load()).require("breast-cancer");
    await expect(model.weights()).rejects.toEqual(refusal("weights_digest_mismatch"));
  });

  it("refuses an unsigned model by the name of its folder", async () => {
    await rm(join(folder, SIGNATURE_FILE));
    await expect(load()).rejects.toThrow(folder);
    await expect(load()).rejects.toEqual(refusal("model_unsigned"));
    expect((await ModelRegistry.load([models])).list()).toHaveLength(1);
  });
});
