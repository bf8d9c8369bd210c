import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jcs, type Json } from "../../../codec/index.ts";
import { modelId, parseManifest } from "../../../models/client.ts";
import { createTestBench } from "../../../service/routes/testing/services.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { modelsBom, modelsShow } from "./models-show.ts";

const MANIFEST = resolve(import.meta.dirname, "../../../models/zoo/vad/manifest.json");
const bench = createTestBench();
const [, newest] = bench.services.models.list(undefined);
bench.services.models.aliases = () => [{ name: "stable", modelId: newest!.modelId }];
bench.services.models.deprecation = () => ({ deprecatedAt: new Date(0), sunsetAt: new Date(86_400_000) });
const id = Buffer.from(newest!.modelId).toString("hex");
const servers: Server[] = [];
let url = "";
let hostileUrl = "";
let hostileAnswer = "";

async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
beforeAll(async () => {
  url = await listen(createServer(getRequestListener(bench.app.fetch)));
  hostileUrl = await listen(createServer((_, response) => void response.end(hostileAnswer)));
});
afterAll(() => servers.forEach((server) => server.close()));

describe("models show", () => {
  test.each(["double/2.0.0", "stable", id, `0x${id}`])("finds %s", async (name) => {
    const { status, stdout } = await runCommand(modelsShow, [name, "--url", url, "--json"]);
    expect([status, jsonLine(stdout)]).toEqual([
      0,
      expect.objectContaining({
        ok: true,
        modelId: `0x${id}`,
        aliases: ["stable"],
        sunsetAt: "1970-01-02T00:00:00.000Z",
      }),
    ]);
  });

  test("tells people what the manifest and the service say", async () => {
    const { stdout } = await runCommand(modelsShow, ["stable", "--url", url]);
    for (const line of [
      /^model +double 2\.0\.0$/m,
      /^licence +Apache-2\.0$/m,
      /^alias +stable/m,
      /refused from 1970/,
    ])
      expect(stdout).toMatch(line);
  });

  test("shows provenance of a manifest on this machine", async () => {
    const manifest = JSON.parse(await readFile(MANIFEST, "utf8")) as object;
    const provenance = {
      owner: { name: "Acme\u202e" },
      trainingData: [{ name: "voices", digest: `sha256:${"0".repeat(64)}`, licence: "CC0-1.0" }],
      payees: [{ account: "eip155:1:0x1", shareBasisPoints: 10_000 }],
    };
    const folder = await mkdtemp(join(tmpdir(), "models-show-"));
    try {
      const file = join(folder, "manifest.json");
      await writeFile(file, JSON.stringify({ ...manifest, provenance }));
      const { status, stdout } = await runCommand(modelsShow, ["--manifest", file]);
      expect(status).toBe(0);
      expect(stdout).toMatch(/^owner +Acme\ufffd$/m);
      expect(stdout).toMatch(/^training data +voices, sha256:0+, CC0-1\.0$/m);
      expect(stdout).toMatch(/^payee +eip155:1:0x1, 100 %$/m);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("refuses what is not there, and answers of another form", async () => {
    expect((await runCommand(modelsShow, ["nothing", "--url", url])).status).toBe(1);
    expect((await runCommand(modelsShow, ["--url", url])).status).toBe(2);
    expect((await runCommand(modelsShow, ["x", "--manifest", MANIFEST])).status).toBe(2);
    expect((await runCommand(modelsBom, ["--manifest", import.meta.filename])).status).toBe(1);
    const aliases = '"aliases":[]';
    for (hostileAnswer of [
      "",
      "[]",
      `{"models":[]}`,
      `{"models":[{"manifest":"{}"}],${aliases}}`,
      `{"models":[null],${aliases}}`,
    ])
      expect((await runCommand(modelsShow, ["x", "--url", hostileUrl])).status, hostileAnswer).toBe(1);
  });
});

describe("models bom", () => {
  test("writes the same bill as the service", async () => {
    const local = await runCommand(modelsBom, ["double", "--url", url, "--json"]);
    const { models } = (await (await bench.request("/v1/models")).json()) as {
      models: { modelId: string }[];
    };
    const answer = await bench.request(`/v1/models/${models[0]!.modelId}/bom`);
    expect(answer.headers.get("content-type")).toBe("application/vnd.cyclonedx+json; version=1.6");
    expect(await answer.text()).toBe(jcs(jsonLine(local.stdout)["bom"] as Json));
    expect((await bench.request(`/v1/models/${"0".repeat(64)}/bom`)).status).toBe(404);
    expect((await bench.request("/v1/models/nothing/bom")).status).toBe(400);
  });

  test("names the manifest's own id", async () => {
    const text = await readFile(MANIFEST, "utf8");
    const { stdout } = await runCommand(modelsBom, ["--manifest", MANIFEST]);
    const known = Buffer.from(modelId(jcs(parseManifest(text) as unknown as Json))).toString("hex");
    expect(stdout).toContain(`0x${known}`);
  });
});
