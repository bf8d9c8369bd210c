import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSimulatedAttester } from "../../attestation/attest/index.ts";
import type { AppraisalPolicyInput } from "../../attestation/index.ts";
import { fromHex, sha256, toHex, utf8 } from "../../codec/index.ts";
import {
  readChallengeAnswer,
  readReleaseAnswer,
  sealWeights,
  writeRelease,
  type ReleaseRequest,
} from "../../models/index.ts";
import { keyReleaseReportData } from "../../receipts/index.ts";
import { Broker } from "./broker.ts";
import {
  createBrokerState,
  openBrokerKeys,
  readReleasePolicy,
  revokeModel,
  startBroker,
  writeReleasePolicy,
  type RunningBroker,
} from "./index.ts";

const refusal = (code: string) => expect.objectContaining({ name: "BrokerError", code });
const modelId = sha256(utf8("model"));
const weights = utf8("weights");
const attester = createSimulatedAttester();
const SIMULATED: AppraisalPolicyInput = {
  formatVersion: 1,
  roots: ["simulated"],
  codeIdentity: "reportedIfSimulated",
};
let folder: string;
let state: string;
let running: RunningBroker | undefined;
const faults: unknown[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "broker-state-"));
  state = join(folder, "owner");
  await createBrokerState(state);
});
afterEach(async () => {
  await running?.close();
  running = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function serve(): Promise<string> {
  const broker = new Broker({
    ...(await openBrokerKeys(state)),
    policyFor: (id) => readReleasePolicy(state, id),
    nowMs: Date.now,
    version: "1.2.3",
  });
  running = await startBroker({ broker, port: 0, onFault: (error) => faults.push(error) });
  return running.url;
}

async function post(url: string, path: string, body: string): Promise<{ status: number; text: string }> {
  const response = await fetch(url + path, { method: "POST", body });
  return { status: response.status, text: await response.text() };
}

/** As a service does. */
async function ask(url: string): Promise<{ status: number; text: string }> {
  const challenge = await post(url, "/v1/challenges", JSON.stringify({ modelId: toHex(modelId) }));
  if (challenge.status !== 200) return challenge;
  const { nonce } = readChallengeAnswer(challenge.text);
  const { publicKey } = (await (await fetch(`${url}/v1/broker`)).json()) as { publicKey: string };
  const [source, sealed] = [join(folder, "weights"), join(folder, "sealed")];
  await writeFile(source, weights);
  const expected = { sha256: toHex(sha256(weights)), bytes: weights.length };
  const { byteLength } = await sealWeights(source, sealed, {
    brokerKey: fromHex(publicKey),
    modelId,
    expected,
  });
  const terms = { nonce, hpkeKey: fromHex(publicKey), modelId, keysetDigest: sha256(weights) };
  const quote = await attester.quote(keyReleaseReportData(terms));
  const release: ReleaseRequest = {
    ...terms,
    evidence: { type: "tdx", quote },
    endorsements: await attester.endorsements(new Date()),
    head: (await readFile(sealed)).subarray(0, byteLength),
  };
  return await post(url, "/v1/releases", writeRelease(release));
}

describe("a broker behind HTTP", () => {
  it("releases by its folder's policy as it is at that moment", async () => {
    const url = await serve();
    expect(await ask(url)).toMatchObject({ status: 404, text: expect.stringContaining("model_unknown") });
    await writeReleasePolicy(state, modelId, SIMULATED);
    const { status, text } = await ask(url);
    expect([status, readReleaseAnswer(text).sealedKey.length]).toEqual([200, 80]);
    await writeReleasePolicy(state, modelId, { formatVersion: 1 });
    const refused = await ask(url);
    expect([refused.status, JSON.parse(refused.text)]).toEqual([
      403,
      expect.objectContaining({ code: "simulated_refused", ear: expect.stringMatching(/^ey/) }),
    ]);
    await revokeModel(state, modelId);
    expect(await ask(url)).toMatchObject({ status: 403, text: expect.stringContaining("model_revoked") });
  });

  it("gives nothing by a policy that it cannot read, and tells its owner alone why", async () => {
    const url = await serve();
    await writeFile(
      join(state, "policies", `${toHex(modelId)}.json`),
      '{"formatVersion":1,"appraisal":{"x":1}}',
    );
    expect(await ask(url)).toMatchObject({ status: 500, text: expect.not.stringContaining("appraisal") });
    expect(faults.at(-1)).toEqual(refusal("broker_state_invalid"));
  });

  it.each([
    ["/v1/challenges", "no JSON", 400],
    ["/v1/challenges", '{"modelId":"00"}', 400],
    ["/v1/challenges", `{"modelId":"${"0".repeat(64)}","more":1}`, 400],
    ["/v1/releases", "{}", 400],
    ["/v1/releases", " ".repeat(5 * 1024 * 1024), 400],
    ["/v1/other", "{}", 404],
  ])("refuses what it cannot read: %s", async (path, body, status) => {
    expect((await post(await serve(), path, body).catch(() => ({ status: 400 }))).status).toBe(status);
  });

  it("outlives a caller who goes away", async () => {
    const url = await serve();
    const hanging = request(`${url}/v1/releases`, { method: "POST" });
    hanging.on("error", () => undefined);
    hanging.write("{");
    hanging.destroy();
    expect((await fetch(`${url}/v1/broker`)).status).toBe(200);
  });
});

describe("a broker's folder", () => {
  it("is made once, and keeps its keys to its owner", async () => {
    expect((await stat(join(state, "broker.key"))).mode & 0o777).toBe(0o600);
    const { publicKey } = await openBrokerKeys(state);
    await expect(createBrokerState(state)).rejects.toEqual(refusal("broker_state_invalid"));
    expect((await openBrokerKeys(state)).publicKey).toEqual(publicKey);
    await chmod(join(state, "broker.key"), 0o640);
    await expect(openBrokerKeys(state)).rejects.toEqual(refusal("broker_key_invalid"));
  });

  it("is refused without keys, and with others", async () => {
    await expect(openBrokerKeys(folder)).rejects.toEqual(refusal("broker_key_invalid"));
    const file = join(state, "broker.key");
    const text = await readFile(file, "utf8");
    for (const changed of ["", text.slice(0, 200), text + text, text.replaceAll("M", "N")]) {
      await writeFile(file, changed);
      await expect(openBrokerKeys(state)).rejects.toEqual(refusal("broker_key_invalid"));
    }
  });

  it("has no model to revoke that it does not know", async () => {
    await expect(revokeModel(state, modelId)).rejects.toEqual(refusal("model_unknown"));
  });
});
