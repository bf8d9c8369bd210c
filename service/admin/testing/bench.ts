/** Replicas of the HTTP side over one real database, with its own models, keys, tenants and administration. */
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import type { Owner } from "../../../balances/client.ts";
import { toHex, utf8 } from "../../../codec/index.ts";
import { ModelRegistry } from "../../../models/index.ts";
import { layerModel } from "../../../models/testing/models.ts";
import { createTestDatabase, temporaryDirectory, type TestDatabase } from "../../../test/postgres.ts";
import { ApiKeyFinder } from "../../db/index.ts";
import { ModelCatalogue } from "../../private-models/index.ts";
import { ServiceError } from "../../problem.ts";
import { createTestBench, type TestBench } from "../../routes/testing/services.ts";
import { keysOf } from "../../tenant-keys.ts";
import { openTenants, TenantDirectory, type RunningTenants } from "../../tenants/index.ts";
import { openAdministration } from "../index.ts";

const NEVER_MS = 3_600_000;

export interface Replica {
  url: string;
  bench: TestBench;
  directory: TenantDirectory;
  tenants: RunningTenants;
}

export interface AdminBench {
  database: TestDatabase;
  models: { one: ReturnType<typeof layerModel>; two: ReturnType<typeof layerModel> };
  replicas: [Replica, Replica];
  /** Moves every replica's clock. */
  clock: { nowMs: number };
  close(): Promise<void>;
}

export async function openAdminBench(keys: readonly Owner[]): Promise<AdminBench> {
  const database = await createTestDatabase();
  const folder = temporaryDirectory();
  const models = { one: layerModel({ name: "layer" }), two: layerModel({ name: "layer", version: "2" }) };
  for (const [name, { manifestText }] of Object.entries(models)) {
    await mkdir(join(folder.path, name));
    await writeFile(join(folder.path, name, "manifest.json"), manifestText);
  }
  const clock = { nowMs: Date.now() };
  const nowMs = () => clock.nowMs;
  const servers: Server[] = [];

  async function replica(): Promise<Replica> {
    const directory = await TenantDirectory.open({ database, onError: failed, intervalMs: NEVER_MS });
    const tenants = openTenants({
      database,
      directory,
      nowMs,
      onLimited: () => {},
      onError: failed,
      reportMs: NEVER_MS,
    });
    const catalogue = new ModelCatalogue(await ModelRegistry.load([folder.path]), directory);
    const bench = createTestBench({
      // Tells which model it would have run, as the pipeline finds it.
      async infer({ modelName, modelVersion, account }) {
        const model = catalogue.get(modelName, modelVersion, account.tenantId);
        if (!model) throw new ServiceError("model_not_found");
        return { status: 200, headers: {}, body: utf8(toHex(model.modelId)) };
      },
      services: {
        nowMs,
        tenants,
        keys: keysOf(database, new ApiKeyFinder(database, nowMs)),
        administration: openAdministration({
          database,
          directory,
          catalogue,
          keys,
          audience: "localhost/affidavit",
          nowMs,
        }),
        models: {
          list: (tenantId) => catalogue.visibleTo(tenantId),
          get: (name, version, tenantId) => catalogue.get(name, version, tenantId),
          deprecation: ({ modelId }) => directory.deprecation(modelId),
          aliases: (tenantId) =>
            directory.aliases().filter(({ name }) => catalogue.get(name, undefined, tenantId)),
          readiness: () => ({ ready: true }),
        },
      },
    });
    const server = createServer(getRequestListener(bench.app.fetch));
    servers.push(server);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { url, bench, directory, tenants };
  }

  const replicas: [Replica, Replica] = [await replica(), await replica()];
  return {
    database,
    models,
    replicas,
    clock,
    async close() {
      for (const server of servers) server.close();
      for (const { tenants, directory } of replicas) {
        await tenants.close();
        await directory.close();
      }
      await database.remove();
      folder.remove();
    },
  };
}

function failed(error: unknown): never {
  throw error;
}
