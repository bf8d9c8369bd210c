/** Proofs through the API: promised, asked for later, cancelled, too late, and what goes wrong on the way. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadProofVerifier, parseProofBundle } from "../proofs/index.ts";
import { hasProver, proverCache, WITHOUT_PROVER } from "../proofs/testing/prover.ts";
import { command, zooCircuit } from "./prover-fixture.ts";
import { temporaryDirectory } from "./folder.ts";
import { startService, type RunningService } from "./service-process.ts";

const body = readFileSync(new URL("../models/zoo/breast-cancer/example.json", import.meta.url));
const OWNER_SEED = "29".repeat(32);

let service: RunningService;
let circuitId: string;
let folder: ReturnType<typeof temporaryDirectory>;

interface Seen {
  id: string;
  state: string;
  stage: string | null;
  code: string | null;
  circuitId: string;
  outcome: { statementId: string; difference: string | null } | null;
}

beforeAll(async () => {
  if (!hasProver) return;
  folder = temporaryDirectory();
  const circuits = join(folder.path, "circuits");
  mkdirSync(circuits);
  mkdirSync(join(folder.path, "config"), { mode: 0o700 });
  const key = join(folder.path, "config", "owner.key");
  writeFileSync(key, `${OWNER_SEED}\n`, { mode: 0o600 });
  circuitId = await zooCircuit("breast-cancer", circuits);
  await command(["circuit", "bind", circuitId, "--key", key, "--data-dir", folder.path], {
    AFFIDAVIT_CIRCUITS_DIR: "",
  });
  service = await startService({
    directory: folder.path,
    environment: {
      AFFIDAVIT_CACHE_DIR: proverCache,
      AFFIDAVIT_CIRCUITS_DIR: circuits,
      AFFIDAVIT_PROVERS: "1",
      AFFIDAVIT_ZK_ABOVE_USD: "1000",
    },
  });
}, 900_000);
afterAll(async () => {
  await service?.stop();
  folder?.remove();
});

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = {
    authorization: `Bearer ${service.apiKey}`,
    "content-type": "application/json",
    ...(init.headers as Record<string, string>),
  };
  return await fetch(service.url + path, { ...init, headers });
}

async function infer(headers: Record<string, string>, given: BodyInit = body): Promise<Response> {
  return await ask("/v2/models/breast-cancer/infer", { method: "POST", headers, body: given });
}

/** All that the event stream tells, to its end. */
async function follow(id: string): Promise<Seen[]> {
  const text = await (await ask(`/v1/proofs/${id}/events`)).text();
  return [...text.matchAll(/^event: promise\ndata: (.*)$/gm)].map((match) => JSON.parse(match[1]!) as Seen);
}

async function code(response: Response): Promise<[number, string]> {
  return [response.status, ((await response.json()) as { code: string }).code];
}

describe.skipIf(!hasProver)(`a proof${WITHOUT_PROVER}`, () => {
  it("is promised, made, logged and verified", async () => {
    const response = await infer({ "affidavit-assurance": "tee+zk" });
    expect(response.status).toBe(200);
    const receiptId = response.headers.get("affidavit-receipt-id")!;
    const salt = response.headers.get("affidavit-salt")!;
    const events = await follow(response.headers.get("affidavit-proof-id")!);
    expect(events.at(-1)).toMatchObject({ state: "delivered", code: null, receiptId });
    expect(Number(events.at(-1)!.outcome!.difference)).toBeGreaterThan(0);
    expect(events.some(({ state, stage }) => state === "running" && stage !== null)).toBe(true);
    const answer = await ask(`/v1/proofs/${events.at(-1)!.id}/bundle`);
    const bundle = await answer.text();
    expect(answer.headers.get("content-type")).toBe("application/vnd.affidavit.proof+json");
    expect((await loadProofVerifier()).verify(parseProofBundle(bundle))).toBe(true);
    const file = join(folder.path, "bundle.json");
    writeFileSync(file, bundle);
    const verdict = await command(["verify", file, "--allow-simulated", "--allow-development-srs"]);
    expect(verdict).toMatchObject({ ok: true });
    expect(salt).toMatch(/^[0-9a-f]{64}$/);
  });

  it("is demanded where much is at risk, and refused where the request wants less", async () => {
    const demanded = await infer({ "affidavit-value-at-risk": "1000.000001" });
    expect(demanded.headers.get("affidavit-proof-id")).toMatch(/^[0-9a-f-]{36}$/);
    const below = await infer({ "affidavit-value-at-risk": "1000" });
    expect([below.status, below.headers.get("affidavit-proof-id")]).toEqual([200, null]);
    const refused = await infer({ "affidavit-value-at-risk": "2000", "affidavit-assurance": "tee" });
    expect(await code(refused)).toEqual([422, "assurance_too_low"]);
    expect((await follow(demanded.headers.get("affidavit-proof-id")!)).at(-1)?.state).toBe("delivered");
  });

  it("is not promised for what the circuit cannot take", async () => {
    const request = JSON.parse(body.toString()) as { inputs: { data: number[] }[] };
    request.inputs[0]!.data[0] = 1e30;
    const response = await infer({ "affidavit-assurance": "tee+zk" }, JSON.stringify(request));
    expect(await code(response)).toEqual([422, "circuit_input_out_of_range"]);
  });

  it("is made later for whoever still holds the input, and for nobody else", async () => {
    const answer = await infer({});
    const receiptId = answer.headers.get("affidavit-receipt-id")!;
    const salt = answer.headers.get("affidavit-salt")!;
    const path = `/v1/receipts/${receiptId}/proof`;
    const request = JSON.parse(body.toString()) as { inputs: { data: number[] }[] };
    request.inputs[0]!.data[0]! += 0.5;
    const other = await ask(path, { method: "POST", body: JSON.stringify(request) });
    expect(await code(other)).toEqual([422, "vault_opening_mismatch"]);
    const wrongSalt = await ask(path, {
      method: "POST",
      body,
      headers: { "affidavit-salt": "11".repeat(32) },
    });
    expect(await code(wrongSalt)).toEqual([422, "vault_opening_mismatch"]);
    const asked = await ask(path, { method: "POST", body, headers: { "affidavit-salt": salt } });
    expect(asked.status).toBe(200);
    const { id } = (await asked.json()) as Seen;
    const again = await ask(path, { method: "POST", body });
    expect(((await again.json()) as Seen).id).toBe(id);
    expect((await follow(id)).at(-1)).toMatchObject({ state: "delivered" });
    const bundle = parseProofBundle(await (await ask(`/v1/proofs/${id}/bundle`)).text());
    expect(bundle.circuitCommitment).not.toBeNull();
    expect((await loadProofVerifier()).verify(bundle)).toBe(true);
    const file = join(folder.path, "late.json");
    writeFileSync(file, await (await ask(`/v1/proofs/${id}/bundle`)).text());
    const flags = ["--allow-simulated", "--allow-development-srs"];
    expect(await command(["verify", file, ...flags])).toMatchObject({ ok: true });
  });

  it("that is cancelled ends; ten at once leave nothing that runs, and the next one is made", async () => {
    const responses = await Promise.all(
      Array.from({ length: 11 }, () => infer({ "affidavit-assurance": "tee+zk" })),
    );
    const ids = responses.map((response) => response.headers.get("affidavit-proof-id")!);
    const ends = await Promise.all(
      ids.map(async (id) => {
        const cancelled = await ask(`/v1/proofs/${id}`, { method: "DELETE" });
        return ((await cancelled.json()) as Seen).state ?? "ended";
      }),
    );
    // The first may have been made meanwhile.
    expect(ends.filter((state) => state === "cancelled").length).toBeGreaterThanOrEqual(10);
    expect(await code(await ask(`/v1/proofs/${ids[10]}`, { method: "DELETE" }))).toEqual([
      409,
      "promise_ended",
    ]);
    const next = await infer({ "affidavit-assurance": "tee+zk" });
    expect((await follow(next.headers.get("affidavit-proof-id")!)).at(-1)?.state).toBe("delivered");
    const { jobs } = (await (await ask("/v1/jobs?kind=prove&state=active")).json()) as { jobs: unknown[] };
    expect(jobs).toEqual([]);
  });

  it("whose prover is killed is made by another one", async () => {
    const response = await infer({ "affidavit-assurance": "tee+zk" });
    const id = response.headers.get("affidavit-proof-id")!;
    let killed = 0;
    for (let tries = 0; tries < 400 && killed === 0; tries++) {
      const { stage } = (await (await ask(`/v1/proofs/${id}`)).json()) as Seen;
      if (stage === "prove" || stage === "witness") {
        for (const pid of provers(service.child.pid!)) {
          process.kill(pid, "SIGKILL");
          killed++;
        }
      }
      await sleep(20);
    }
    expect(killed).toBeGreaterThan(0);
    expect((await follow(id)).at(-1)?.state).toBe("delivered");
    expect((await infer({})).status).toBe(200);
  });

  it("by a damaged proving key fails by name, while answers go on; and is made once it is mended", async () => {
    const pk = join(folder.path, "circuits", circuitId, "pk");
    const whole = readFileSync(pk);
    writeFileSync(pk, whole.subarray(0, whole.length / 2));
    const response = await infer({ "affidavit-assurance": "tee+zk" });
    const id = response.headers.get("affidavit-proof-id")!;
    const answers = setInterval(() => void infer({}).then(({ status }) => seen.push(status)), 200);
    const seen: number[] = [];
    const end = (await follow(id)).at(-1);
    clearInterval(answers);
    expect(end).toMatchObject({ state: "failed", code: expect.stringMatching(/^prover_/) as string });
    expect(seen.every((status) => status === 200)).toBe(true);
    writeFileSync(pk, whole);
    const next = await infer({ "affidavit-assurance": "tee+zk" });
    expect((await follow(next.headers.get("affidavit-proof-id")!)).at(-1)?.state).toBe("delivered");
  });
});

/** Python processes that the service started. */
function provers(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const after = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return Number(after[1]) === parent && stat.includes("(python");
      } catch {
        return false;
      }
    })
    .map(Number);
}
