/** Uploads against a real database, and who sees what comes of them. */
import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { x25519 } from "@noble/curves/ed25519.js";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ModelRegistry,
  parseHead,
  readModelSigner,
  sealWeights,
  signFolder,
  unwrapContentKey,
  type LoadedModel,
} from "../../models/index.ts";
import { layerModel } from "../../models/testing/models.ts";
import { createTestDatabase, temporaryDirectory, type TestDatabase } from "../../test/postgres.ts";
import { DEFAULT_TENANT, readDocument } from "../db/index.ts";
import { tenants } from "../db/schema.ts";
import { ADMIN_KEY, createTestBench } from "../routes/testing/services.ts";
import type { NewUpload, PrivateModels } from "../services.ts";
import { TenantDirectory } from "../tenants/index.ts";
import { ModelCatalogue, openPrivateModels } from "./index.ts";
import { ModelUploads, type UploadParts } from "./uploads.ts";

const OWNER = DEFAULT_TENANT;
const OTHER = "00000000-0000-4000-8000-000000000002";
const GUEST = "00000000-0000-4000-8000-000000000003";
const broker = x25519.keygen();
const owner = generateKeyPairSync("ec", {
  namedCurve: "prime256v1",
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const log = pino({ level: "silent" });
const folder = temporaryDirectory();
const zoo = layerModel({ name: "zoo" });
const secret = layerModel({ name: "secret" });
const directories: TenantDirectory[] = [];
let database: TestDatabase;
let nowMs = Date.now();

beforeAll(async () => {
  database = await createTestDatabase();
  await database.orm.insert(tenants).values([
    { tenantId: OTHER, name: "other", everyModel: true },
    { tenantId: GUEST, name: "guest" },
  ]);
  await mkdir(join(folder.path, "zoo", "zoo"), { recursive: true });
  await writeFile(join(folder.path, "zoo", "zoo", "manifest.json"), zoo.manifestText);
});
afterAll(async () => {
  for (const directory of directories) await directory.close();
  await database.remove();
  folder.remove();
});

function failed(error: unknown): never {
  throw error;
}

async function storedParts(): Promise<number> {
  return (await database.pool.query("SELECT count(*)::int AS n FROM model_parts")).rows[0].n;
}

function secretAt({ catalogue }: UploadParts, tenantId: string): LoadedModel | undefined {
  return catalogue.get("secret", undefined, tenantId);
}

/** What one replica has. It looks at the database when it is told to. */
async function replica(over: Partial<UploadParts> = {}): Promise<UploadParts> {
  const directory = await TenantDirectory.open({ database, onError: failed, intervalMs: 3_600_000 });
  directories.push(directory);
  return {
    database,
    directory,
    signers: undefined,
    catalogue: new ModelCatalogue(await ModelRegistry.load([join(folder.path, "zoo")]), directory),
    releaseKey: ({ head }) => unwrapContentKey(broker.secretKey, parseHead(head)),
    quotaBytes: 1_000_000,
    allowsBroker: (url) => url === "https://broker.example",
    nowMs: () => nowMs,
    ...over,
  };
}

async function sealed(model: LoadedModel): Promise<{ bytes: Buffer; wanted: NewUpload }> {
  const [source, target] = [join(folder.path, "plain"), join(folder.path, "sealed")];
  await writeFile(source, await model.weights());
  const { modelId, manifest } = model;
  await sealWeights(source, target, { brokerKey: broker.publicKey, modelId, expected: manifest.weights });
  const bytes = await readFile(target);
  const sha256 = createHash("sha256").update(bytes).digest();
  const brokerUrl = "https://broker.example";
  return { bytes, wanted: { manifest: model.manifestText, brokerUrl, bytes: bytes.length, sha256 } };
}

const refusal = (code: string) => expect.objectContaining({ code });

async function uploadAll(uploads: PrivateModels["uploads"], model: LoadedModel, tenantId = OWNER) {
  const { bytes, wanted } = await sealed(model);
  const { id } = await uploads.begin(tenantId, wanted);
  await uploads.put(tenantId, id, 0, bytes);
  return await uploads.complete(tenantId, id);
}

describe("an upload", () => {
  test("goes on where it was, and makes a model that its tenant alone sees, at once and after a start", async () => {
    const parts = await replica();
    const { uploads } = await openPrivateModels(parts, log);
    const { bytes, wanted } = await sealed(secret);
    const { id } = await uploads.begin(OWNER, wanted);
    expect((await uploads.put(OWNER, id, 0, bytes.subarray(0, 100))).receivedBytes).toBe(100);
    // Another replica.
    const again = new ModelUploads(parts);
    expect(await again.begin(OWNER, wanted)).toMatchObject({ id, receivedBytes: 100 });
    await expect(again.put(OWNER, id, 0, bytes)).rejects.toEqual(refusal("upload_offset_mismatch"));
    await expect(again.put(OWNER, id, 100, bytes)).rejects.toEqual(refusal("upload_offset_mismatch"));
    await expect(again.complete(OWNER, id)).rejects.toEqual(refusal("upload_incomplete"));
    for (const work of [
      () => again.find(OTHER, id),
      () => again.put(OTHER, id, 100, bytes.subarray(100)),
      () => again.complete(OTHER, id),
      () => again.remove(OTHER, id),
    ])
      await expect(work()).rejects.toEqual(refusal("upload_not_found"));
    await again.put(OWNER, id, 100, bytes.subarray(100));
    await again.complete(OWNER, id);
    expect(Buffer.from((await readDocument(database, secret.modelId))!).toString()).toBe(secret.manifestText);

    const restarted = await replica();
    await openPrivateModels(restarted, log);
    await parts.directory.refresh();
    for (const { catalogue } of [parts, restarted]) {
      expect(await catalogue.get("secret", undefined, OWNER)!.weights()).toEqual(await secret.weights());
      expect(catalogue.get("secret", undefined, OTHER)).toBeUndefined();
      expect(catalogue.visibleTo(undefined).map(({ manifest }) => manifest.name)).toEqual(["zoo"]);
      expect(catalogue.get("zoo", undefined, OTHER)?.modelId).toEqual(zoo.modelId);
      expect(catalogue.get("zoo", undefined, GUEST)).toBeUndefined();
    }
    await (await openPrivateModels(await replica(), log)).remove(secret.modelId, OWNER);
  });

  test("is refused where it is not what was announced, and starts again", async () => {
    const { uploads } = await openPrivateModels(await replica(), log);
    const { bytes, wanted } = await sealed(secret);
    const cases: [string, Partial<NewUpload>][] = [
      ["request_invalid", { manifest: "{}" }],
      ["request_invalid", { bytes: 5 }],
      ["request_invalid", { bytes: 50_000 }],
      ["broker_not_allowed", { brokerUrl: "https://elsewhere.example" }],
      ["model_exists", { manifest: zoo.manifestText }],
    ];
    for (const [code, change] of cases)
      await expect(uploads.begin(OWNER, { ...wanted, ...change }), code).rejects.toEqual(refusal(code));
    const { id } = await uploads.begin(OWNER, wanted);
    const wrong = Buffer.from(bytes);
    wrong[200]! ^= 1;
    await uploads.put(OWNER, id, 0, wrong);
    await expect(uploads.complete(OWNER, id)).rejects.toEqual(refusal("upload_digest_mismatch"));
    expect((await uploads.find(OWNER, id)).receivedBytes).toBe(0);
    await uploads.remove(OWNER, id);
    await expect(uploads.find(OWNER, id)).rejects.toEqual(refusal("upload_not_found"));
    // Right by its own digest, but another model's.
    const other = await sealed(layerModel({ name: "other" }));
    const begun = await uploads.begin(OWNER, { ...other.wanted, manifest: secret.manifestText });
    await uploads.put(OWNER, begun.id, 0, other.bytes);
    await expect(uploads.complete(OWNER, begun.id)).rejects.toEqual(refusal("sealed_weights_malformed"));
    await uploads.remove(OWNER, begun.id);
  });

  test("ends by the clock and by the quota", async () => {
    const { bytes, wanted } = await sealed(secret);
    const parts = await replica({ quotaBytes: bytes.length });
    const { uploads, expire } = await openPrivateModels(parts, log);
    const { id } = await uploads.begin(OWNER, wanted);
    const second = await sealed(layerModel({ name: "second" }));
    await expect(uploads.begin(OWNER, second.wanted)).rejects.toEqual(refusal("model_quota_exceeded"));
    await uploads.put(OWNER, id, 0, bytes.subarray(0, 10));
    nowMs += 25 * 3_600_000;
    await expect(uploads.find(OWNER, id)).rejects.toEqual(refusal("upload_not_found"));
    expect([await storedParts(), await expire(), await storedParts()]).toEqual([1, 1, 0]);
    await expect(uploads.begin(OWNER, second.wanted)).resolves.toMatchObject({ receivedBytes: 0 });
  });
});

describe("a tenant's own model", () => {
  test("is used by whom the tenant lets in, and taken from nobody", async () => {
    const parts = await replica();
    const models = await openPrivateModels(parts, log);
    await uploadAll(models.uploads, secret);
    const seen = (tenantId: string) => parts.catalogue.get("secret", undefined, tenantId);
    expect(seen(GUEST)).toBeUndefined();
    await models.allow(secret.modelId, OWNER, GUEST);
    expect([seen(GUEST)?.modelId, seen(OTHER)]).toEqual([secret.modelId, undefined]);
    expect(models.guests(secret.modelId, OWNER)).toEqual([GUEST]);
    await expect(models.allow(secret.modelId, GUEST, OTHER)).rejects.toEqual(refusal("model_not_found"));
    await expect(models.remove(secret.modelId, OTHER)).rejects.toEqual(refusal("model_not_found"));
    // The same model would run on weights that its owner was given for.
    await expect(uploadAll(models.uploads, secret, OTHER)).rejects.toEqual(refusal("model_exists"));
    // One of the same name is another tenant's own business.
    const theirs = layerModel({ name: "secret", title: "theirs" });
    await uploadAll(models.uploads, theirs, GUEST);
    expect(seen(GUEST)?.modelId).toEqual(theirs.modelId);
    await models.deny(secret.modelId, OWNER, GUEST);
    expect(models.guests(secret.modelId, OWNER)).toEqual([]);
    await models.remove(secret.modelId, OWNER);
    expect(seen(OWNER)).toBeUndefined();
    const { rows } = await database.pool.query("SELECT DISTINCT tenant_id FROM model_parts");
    expect(rows).toEqual([{ tenant_id: GUEST }]);
    await models.remove(theirs.modelId, GUEST);
  });

  test("is the same on every replica, and goes from all of them", async () => {
    const [one, two] = [await replica(), await replica()];
    const [here, there] = [await openPrivateModels(one, log), await openPrivateModels(two, log)];
    const { bytes, wanted } = await sealed(secret);
    const { id } = await here.uploads.begin(OWNER, wanted);
    // Parts that cut through head, segments and tags.
    for (let at = 0; at < bytes.length; at += 301) {
      const uploads = at % 2 === 0 ? here.uploads : there.uploads;
      await uploads.put(OWNER, id, at, bytes.subarray(at, at + 301));
    }
    await there.uploads.complete(OWNER, id);
    expect(secretAt(one, OWNER)).toBeUndefined();
    await one.directory.refresh();
    expect(await secretAt(one, OWNER)!.weights()).toEqual(await secret.weights());
    const before = secretAt(one, OWNER);
    await there.allow(secret.modelId, OWNER, GUEST);
    await one.directory.refresh();
    expect(secretAt(one, GUEST)).toBe(before);
    await here.remove(secret.modelId, OWNER);
    await two.directory.refresh();
    expect([secretAt(one, OWNER), secretAt(two, GUEST)]).toEqual([undefined, undefined]);
    await expect(before!.weights()).rejects.toEqual(refusal("weights_missing"));
  });

  test("whose row was changed in the database is not served", async () => {
    const parts = await replica();
    const models = await openPrivateModels(parts, log);
    await uploadAll(models.uploads, secret);
    for (const [column, value] of [
      ["broker", "https://elsewhere.example"],
      ["broker", "file:///etc/passwd"],
      ["model_id", Buffer.alloc(32, 7)],
      ["model_id", Buffer.from(zoo.modelId)],
    ] as const) {
      await database.pool.query("CREATE TABLE kept AS SELECT * FROM uploaded_models");
      await database.pool.query(`UPDATE uploaded_models SET ${column} = $1`, [value]);
      const other = await replica();
      await openPrivateModels(other, log);
      expect(other.catalogue.uploaded().size, `${column} ${String(value)}`).toBe(0);
      await database.pool.query("DELETE FROM uploaded_models");
      await database.pool.query("INSERT INTO uploaded_models SELECT * FROM kept");
      await database.pool.query("DROP TABLE kept");
    }
    await models.remove(secret.modelId, OWNER);
  });

  test("must be signed where the operator wants that, also when it is loaded again", async () => {
    const signers = [readModelSigner(owner.publicKey)];
    const parts = await replica({ signers });
    const models = await openPrivateModels(parts, log);
    const { bytes, wanted } = await sealed(secret);
    await expect(models.uploads.begin(OWNER, wanted)).rejects.toEqual(refusal("model_unsigned"));
    const plain = join(folder.path, "signed");
    await mkdir(plain);
    await writeFile(join(plain, "manifest.json"), zoo.manifestText);
    await writeFile(join(plain, "model.onnx"), await secret.weights());
    const another = await signFolder(plain, owner.privateKey);
    await expect(models.uploads.begin(OWNER, { ...wanted, signature: another })).rejects.toEqual(
      refusal("model_files_mismatch"),
    );
    await writeFile(join(plain, "manifest.json"), secret.manifestText);
    const signature = await signFolder(plain, owner.privateKey);
    const { id } = await models.uploads.begin(OWNER, { ...wanted, signature });
    await models.uploads.put(OWNER, id, 0, bytes);
    await models.uploads.complete(OWNER, id);
    await database.pool.query("UPDATE uploaded_models SET signature = $1", [another]);
    const other = await replica({ signers });
    await openPrivateModels(other, log);
    expect(other.catalogue.uploaded().size).toBe(0);
    await models.remove(secret.modelId, OWNER);
  });

  test("is not there for others, on any route that names models", async () => {
    const parts = await replica();
    const models = await openPrivateModels(parts, log);
    const bench = createTestBench({
      services: {
        privateModels: models,
        models: {
          list: (tenantId) => parts.catalogue.visibleTo(tenantId),
          get: (name, version, tenantId) => parts.catalogue.get(name, version, tenantId),
          deprecation: () => undefined,
          aliases: () => [],
          readiness: () => ({ ready: true }),
        },
      },
    });
    const mine = layerModel({ name: "mine" });
    // Of the bench's administrator.
    const { tenantId } = (await (await bench.request("/v1/account", { key: ADMIN_KEY })).json()) as {
      tenantId: string;
    };
    parts.catalogue.replaceUploaded(new Map([["mine", { model: mine, tenantId, uploadId: "" }]]));
    for (const path of ["", "/versions/1", "/ready", "/config", "/versions/1/ready"]) {
      const statuses = [ADMIN_KEY, undefined].map(async (key) =>
        bench.request(`/v2/models/mine${path}`, key === undefined ? {} : { key }),
      );
      expect((await Promise.all(statuses)).map(({ status }) => status)).toEqual([200, 404]);
    }
    const names = async (key?: string) =>
      await (await bench.request("/v1/models", key ? { key } : {})).text();
    expect([(await names(ADMIN_KEY)).includes("mine"), (await names()).includes("mine")]).toEqual([
      true,
      false,
    ]);
    const index = async (key?: string) =>
      await (await bench.request("/v2/repository/index", { method: "POST", ...(key && { key }) })).text();
    expect([(await index(ADMIN_KEY)).includes("mine"), (await index()).includes("mine")]).toEqual([
      true,
      false,
    ]);
    expect((await bench.request("/v1/models", { key: "wrong-wrong-wrong-wrong" })).status).toBe(401);
  });
});
