/** Requests that only commit to their input, rows that somebody changed, models that are not everybody's. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesToHex, hexToBytes, type Hex } from "viem";
import { expect, test } from "vitest";
import { createBrokerState } from "../client/broker/index.ts";
import { deliveredAnswer, parseOpening, serializeOpening, type ChainOpening } from "../client/chain/index.ts";
import { openingAt } from "../client/chain/index.ts";
import { createClient } from "../client/index.ts";
import { chainOpen } from "../client/cli/commands/chain-open.ts";
import { chainRequest } from "../client/cli/commands/chain-request.ts";
import { chainWatch } from "../client/cli/commands/chain-watch.ts";
import { modelsUpload } from "../client/cli/commands/models-upload.ts";
import { jsonLine, runCommand } from "../client/cli/testing/run-command.ts";
import { inputCommitment } from "../receipts/index.ts";
import { sealWeights } from "../models/index.ts";
import { layerModel } from "../models/testing/models.ts";
import { EXAMPLE, exampleInput, MODEL, NONE, PAYMENT, type AnsweredChain } from "./answered-chain.ts";
import { openStore } from "./service-store.ts";

const SALT = new Uint8Array(32).fill(0x5a);

export function privateRequestTests(world: () => AnsweredChain): void {
  test(
    "a private request is answered, and its input is nowhere but sealed",
    { timeout: 90_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "affidavit-private-"));
      const file = join(folder, "opening.json");
      const { chain, service, coordinator } = world();
      const words = ["--deployment", world().file, "--rpc", chain.url, "--json"];
      const from = ["--from", chain.writer.wallet.account.address, "--url", service.url];
      // Of its own: the example's is public elsewhere.
      const input = join(folder, "input.json");
      writeFileSync(input, readFileSync(EXAMPLE, "utf8").replace(/(?<="data": ?\[)[^,\]]+/, "0.123456789"));
      const asked = [MODEL, input, ...from, "--payment", String(PAYMENT), "--private", file];
      const refused = await runCommand(chainRequest, [...asked, ...words]);
      expect([refused.status, jsonLine(refused.stdout)]).toMatchObject([1, { code: "simulated_refused" }]);
      const made = await runCommand(chainRequest, [...asked, ...words, "--allow-simulated"]);
      const { requestId, ...rest } = jsonLine(made.stdout) as { requestId: Hex };
      expect([made.status, rest]).toMatchObject([0, { ok: true, private: true }]);
      const opening = parseOpening(readFileSync(file));
      expect(bytesToHex(opening.requestId)).toBe(requestId);
      const stored = await storedText(world());
      for (const secret of secretsOf(opening)) {
        expect(stored).not.toContain(secret);
        expect(service.output()).not.toContain(secret);
      }
      const watched = await runCommand(chainWatch, [requestId, "--timeout-seconds", "60", ...words]);
      expect(jsonLine(watched.stdout)).toMatchObject({ ok: true, status: "delivered" });
      const answer = await deliveredAnswer(chain.reader, coordinator, requestId, 0n);
      const { inputCommitment: shown } = answer!.receipt!.statement;
      expect(shown).toBe(bytesToHex(inputCommitment(opening.salt, opening.input)));
      await world().becomes(requestId, { state: "delivered", onChain: "delivered", opened: false });
      const again = await runCommand(chainOpen, [file, "--url", service.url, "--allow-simulated", "--json"]);
      expect([again.status, jsonLine(again.stdout)]).toMatchObject([1, { code: "opening_not_posted" }]);
      rmSync(folder, { recursive: true });
    },
  );

  test(
    "an opening may come before the request and after, by who knows it alone",
    { timeout: 90_000 },
    async () => {
      const { chain } = world();
      const client = createClient({ url: world().service.url, policy: { allowSimulated: true } });
      const late = await askPrivately(world());
      await world().becomes(late.id, { state: "open", code: "opening_missing", opened: false });
      expect(await client.openChainRequest(late.opening)).toEqual({ asked: true });
      await world().ends(late.id, "delivered");

      const nonce = await world().read<bigint>("nonces", [chain.writer.wallet.account.address]);
      const early = openingOf(world(), nonce);
      expect(await client.openChainRequest(early)).toEqual({ asked: false });
      await world().becomes(bytesToHex(early.requestId), { state: "unseen", onChain: "none", opened: true });
      const made = await askPrivately(world());
      expect(made.id).toBe(bytesToHex(early.requestId));
      await world().ends(made.id, "delivered");
    },
  );

  test("what does not open a request is refused", { timeout: 60_000 }, async () => {
    const client = createClient({ url: world().service.url, policy: { allowSimulated: true } });
    const opening = openingOf(world(), 10_000n);
    const codeOf = (changes: Partial<ChainOpening>) =>
      client.openChainRequest({ ...opening, ...changes }).then(
        () => "taken",
        (error: { detail?: string }) => error.detail,
      );
    for (const name of [
      "requestId",
      "requester",
      "modelId",
      "policyDigest",
      "circuitInput",
      "salt",
      "input",
    ] as const)
      expect([name, await codeOf({ [name]: flipped(opening[name]) })]).toEqual([name, "opening_mismatch"]);
    expect(await codeOf({ nonce: 10_001n })).toBe("opening_mismatch");
    const unknown = rehash(world(), { ...opening, modelId: new Uint8Array(32).fill(9) });
    expect(await codeOf(unknown)).toBe("model_not_found");
    const malformed = rehash(world(), { ...opening, input: Uint8Array.of(1, 2, 3) });
    expect(await codeOf(malformed)).toMatch(/^tensor_/);
    const proved = rehash(world(), { ...opening, circuitInput: new Uint8Array(32).fill(1) });
    expect(await codeOf(proved)).not.toBe("taken");
    const path = `/v1/chain/requests/${bytesToHex(opening.requestId)}`;
    const clear = await fetch(`${world().service.url}${path}/opening`, { method: "POST", body: "{}" });
    expect([clear.status, ((await clear.json()) as { code: string }).code]).toEqual([
      403,
      "sealing_required",
    ]);
    expect(await world().get(path)).toMatchObject({ code: "chain_request_not_found" });
    expect(await world().get("/v1/chain/requests/0x12")).toMatchObject({ code: "request_invalid" });
    expect(() => parseOpening(Buffer.from(serializeOpening(opening).replace("0x", "0y")))).toThrow();
  });

  test("a changed row is not answered by", { timeout: 90_000 }, async () => {
    const client = createClient({ url: world().service.url, policy: { allowSimulated: true } });
    const [input, terms, garbage] = [
      await askPrivately(world()),
      await askPrivately(world()),
      await askPrivately(world()),
    ];
    for (const { id } of [input, terms, garbage])
      await world().becomes(id, { state: "open", code: "opening_missing" });
    const store = openStore(world().directory);
    const change = (id: Hex, to: (event: string) => string) => changeEvent(store, id, to);
    // Another input beside the commitment that the id vouches for.
    await change(input.id, withPublicInput);
    await change(terms.id, (event) => event.replace(world().terms.policyDigest.slice(2), "00".repeat(32)));
    await change(garbage.id, () => "{");
    await store.end();
    for (const { opening } of [input, terms, garbage]) {
      // A round of the watcher may have declined it meanwhile.
      await client.openChainRequest(opening).catch((error: unknown) => {
        expect(error).toMatchObject({ detail: "chain_request_ended" });
      });
    }
    for (const { id } of [input, terms, garbage]) {
      await world().becomes(id, { state: "declined", code: "row_invalid", receiptId: null });
      expect(await world().status(id)).toBe("open");
    }
  });

  test("a tenant's own model is not answered with for a contract", { timeout: 90_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "affidavit-secret-"));
    const secret = layerModel({ name: "secret" });
    const { publicKey: brokerKey } = await createBrokerState(join(folder, "state"));
    const [source, sealed] = [join(folder, "model.onnx"), join(folder, "weights.sealed")];
    writeFileSync(source, await secret.weights());
    writeFileSync(join(folder, "manifest.json"), secret.manifestText);
    const { modelId, manifest } = secret;
    await sealWeights(source, sealed, { brokerKey, modelId, expected: manifest.weights });
    const { url, apiKey } = world().service;
    const up = [sealed, "--manifest", join(folder, "manifest.json"), "--broker", "http://127.0.0.1:1"];
    const uploaded = await runCommand(modelsUpload, [...up, "--url", url, "--key", apiKey, "--json"]);
    expect([uploaded.status, uploaded.stdout]).toMatchObject([0, expect.stringContaining('"ok":true')]);
    const id = await world().ask(undefined, { modelId: bytesToHex(modelId) });
    await world().becomes(id, { state: "declined", code: "model_not_found", receiptId: null });
    const client = createClient({ url, policy: { allowSimulated: true } });
    const opening = rehash(world(), { ...openingOf(world(), 10_000n), modelId });
    await expect(client.openChainRequest(opening)).rejects.toMatchObject({ detail: "model_not_found" });
    rmSync(folder, { recursive: true });
  });
}

function openingOf(world: AnsweredChain, nonce: bigint): ChainOpening {
  return rehash(world, {
    requester: hexToBytes(world.chain.writer.wallet.account.address),
    nonce,
    modelId: hexToBytes(world.terms.modelId),
    policyDigest: hexToBytes(world.terms.policyDigest),
    circuitInput: hexToBytes(NONE),
    salt: SALT,
    input: exampleInput(),
  });
}

function rehash(world: AnsweredChain, opening: Omit<ChainOpening, "requestId">): ChainOpening {
  return openingAt(world.deployment.chainId, world.coordinator, opening);
}

/** A request by commitment. */
async function askPrivately(world: AnsweredChain): Promise<{ id: Hex; opening: ChainOpening }> {
  const nonce = await world.read<bigint>("nonces", [world.chain.writer.wallet.account.address]);
  const commitment = bytesToHex(inputCommitment(SALT, exampleInput()));
  const id = await world.ask(undefined, { commitment });
  return { id, opening: openingOf(world, nonce) };
}

async function changeEvent(
  store: ReturnType<typeof openStore>,
  id: Hex,
  to: (event: string) => string,
): Promise<void> {
  const key = Buffer.from(hexToBytes(id));
  const { rows } = await store.query<{ event: string }>(
    "SELECT event FROM chain_requests WHERE request_id = $1",
    [key],
  );
  const changed = to(rows[0]!.event);
  expect(changed).not.toBe(rows[0]!.event);
  await store.query("UPDATE chain_requests SET event = $1 WHERE request_id = $2", [changed, key]);
}

/** The event ends in the length of its public input, which is 0. */
function withPublicInput(event: string): string {
  const { topics, data } = JSON.parse(event) as { topics: Hex[]; data: Hex };
  const input = Buffer.from(exampleInput()).toString("hex");
  const length = (input.length / 2).toString(16).padStart(64, "0");
  const padded = input.padEnd(Math.ceil(input.length / 64) * 64, "0");
  return JSON.stringify({ topics, data: `${data.slice(0, -64)}${length}${padded}` });
}

/** In hex and in base64, as a column or a log line would show them. */
function secretsOf({ input, salt }: ChainOpening): string[] {
  const value = Buffer.from(Float32Array.of(0.123456789).buffer);
  const at = Buffer.from(input).indexOf(value);
  expect(at).toBeGreaterThan(0);
  return [Buffer.from(input.slice(at, at + 12)), Buffer.from(salt)].flatMap((bytes) => [
    bytes.toString("hex"),
    bytes.toString("base64").slice(0, -4),
  ]);
}

/** All that the database holds of requests, as text. */
async function storedText({ directory }: AnsweredChain): Promise<string> {
  const store = openStore(directory);
  const tables = ["chain_requests", "chain_openings", "statements"];
  const texts = await Promise.all(
    tables.map((name) => store.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`)),
  );
  await store.end();
  return texts.flatMap(({ rows }) => rows.map(({ text }) => text)).join("\n");
}

function flipped(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));
}
