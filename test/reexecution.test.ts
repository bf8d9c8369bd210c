/** Answers that are run again: through the API, and with a fault that one of two engines has. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../client/index.ts";
import { fromHex, toHex } from "../codec/index.ts";
import { manifestText, modelId, parseManifest } from "../models/client.ts";
import { parseKeyset, parseReceiptHeader, recoverSigner, wordsDigest } from "../receipts/index.ts";
import { OWNER, writePaperCircuit } from "./circuit-fixture.ts";
import { temporaryDirectory } from "./folder.ts";
import { startService, type RunningService } from "./service-process.ts";

const example = (model: string) =>
  readFileSync(new URL(`../models/zoo/${model}/example.json`, import.meta.url));

let service: RunningService;
let folder: ReturnType<typeof temporaryDirectory>;
beforeAll(async () => {
  folder = temporaryDirectory();
  const circuits = join(folder.path, "circuits");
  const manifest = readFileSync(
    new URL("../models/zoo/breast-cancer/manifest.json", import.meta.url),
    "utf8",
  );
  writePaperCircuit(circuits, modelId(manifestText(parseManifest(manifest))), [1, 30]);
  service = await startService({
    environment: {
      AFFIDAVIT_CIRCUITS_DIR: circuits,
      AFFIDAVIT_CACHE_DIR: join(folder.path, "empty"),
      AFFIDAVIT_REEXECUTION_GRACE_MS: "0",
      AFFIDAVIT_OWNER_KEY: toHex(OWNER),
    },
  });
}, 90_000);
afterAll(async () => {
  await service?.stop();
  folder?.remove();
});

async function ask(
  path: string,
  init: RequestInit & { headers?: Record<string, string> } = {},
): Promise<Response> {
  return await fetch(service.url + path, {
    ...init,
    headers: { authorization: `Bearer ${service.apiKey}`, ...init.headers },
  });
}

async function infer(model: string, headers: Record<string, string>): Promise<Response> {
  return await ask(`/v2/models/${model}/infer`, { method: "POST", headers, body: example(model) });
}

interface Seen {
  state: string;
  receiptId: string;
  outcome: { statement: string; keysetDigest: string; difference: string | null } | null;
}

/** The last event of the stream. */
async function end(id: string): Promise<Seen> {
  const text = await (await ask(`/v1/reexecutions/${id}/events`)).text();
  const events = [...text.matchAll(/^event: promise\ndata: (.*)$/gm)].map((match) => match[1]!);
  expect(events.length).toBeGreaterThan(0);
  return JSON.parse(events.at(-1)!) as Seen;
}

describe("a re-execution", () => {
  it("is promised in a receipt that verifies, run, and logged under the attested key", async () => {
    const response = await infer("digits", { "affidavit-assurance": "tee+reexecution" });
    expect(response.status).toBe(200);
    const receiptId = response.headers.get("affidavit-receipt-id")!;
    const seen = await end(response.headers.get("affidavit-reexecution-id")!);
    expect(seen).toMatchObject({
      state: "delivered",
      receiptId,
      outcome: { difference: "0", anotherKeyset: false },
    });
    const { type, statement, words, signature } = parseReceiptHeader(seen.outcome!.statement);
    if (type !== "Reexecution") throw new Error(type);
    expect(statement.subject).toEqual(fromHex(receiptId, 32));
    const keyset = await (await ask(`/v1/documents/${seen.outcome!.keysetDigest.slice(2)}`)).text();
    expect(recoverSigner(wordsDigest("Reexecution", words), signature)).toEqual(
      parseKeyset(keyset).receiptAddress,
    );
    const client = createClient({
      url: service.url,
      apiKey: service.apiKey,
      policy: { allowSimulated: true },
    });
    const { verification } = await client.receipt(receiptId);
    const claim = verification.claims.find((one) => one.claim === "assurance");
    expect(claim?.value).toBe("TEE, with a re-execution promised");
  });

  it("is the answer's again where the answer is replayed", async () => {
    const headers = { "affidavit-assurance": "tee+reexecution", "idempotency-key": "again" };
    const [one, two] = [await infer("breast-cancer", headers), await infer("breast-cancer", headers)];
    expect(two.headers.get("affidavit-reexecution-id")).toBe(one.headers.get("affidavit-reexecution-id"));
    const other = await infer("breast-cancer", { "idempotency-key": "again" });
    expect([other.status, ((await other.json()) as { code: string }).code]).toEqual([
      422,
      "idempotency_conflict",
    ]);
  });

  it("is another account's as little as its receipt", async () => {
    const response = await infer("digits", { "affidavit-assurance": "tee+reexecution" });
    const id = response.headers.get("affidavit-reexecution-id")!;
    const made = await ask("/v1/keys", { method: "POST", body: JSON.stringify({ label: "other" }) });
    const { key } = (await made.json()) as { key: string };
    for (const path of [`/v1/reexecutions/${id}`, `/v1/reexecutions/${id}/events`, `/v1/proofs/${id}`]) {
      const headers: Record<string, string> = path.includes("proofs")
        ? {}
        : { authorization: `Bearer ${key}` };
      expect([path, (await ask(path, { headers })).status]).toEqual([path, 404]);
    }
  });
});

describe("what a request cannot have", () => {
  it.each([
    ["digits", { "affidavit-assurance": "tee+zk" }, 422, "circuit_missing"],
    ["vad", { "affidavit-assurance": "tee+zk" }, 422, "assurance_unsupported"],
    ["digits", { "affidavit-assurance": "zk" }, 400, "request_header_invalid"],
    ["digits", { "affidavit-value-at-risk": "much" }, 400, "request_header_invalid"],
  ])("is refused: %s with %j", async (model, headers, status, code) => {
    const response = await infer(model, headers);
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([status, code]);
  });

  it("is no proof where the proof system is not set up: the service says how, and answers as before", async () => {
    const response = await infer("breast-cancer", { "affidavit-assurance": "tee+zk" });
    const problem = (await response.json()) as { code: string; detail: string };
    expect([response.status, problem.code]).toEqual([503, "prover_unavailable"]);
    expect(problem.detail).toContain("npx affidavit setup proofs");
    const { components } = (await (await ask("/readyz")).json()) as {
      components: { name: string; status: string }[];
    };
    expect(components.find(({ name }) => name === "proofs")).toMatchObject({ status: "off" });
    expect((await infer("breast-cancer", {})).status).toBe(200);
  });
});
