/** Proofs by the command, as a person asks for them: of the small circuit, of an attention block, and of the digits' larger one. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasProver, proverCache, WITHOUT_PROVER } from "../proofs/testing/prover.ts";
import { parseProofBundle } from "../proofs/index.ts";
import { temporaryDirectory } from "./folder.ts";
import { circuitOf, command, writeAttention, zooCircuit } from "./prover-fixture.ts";
import { startService, type RunningService } from "./service-process.ts";

const example = (model: string) =>
  model === "attention"
    ? join(folder.path, "models", model, "example.json")
    : fileURLToPath(new URL(`../models/zoo/${model}/example.json`, import.meta.url));
const TRUST = ["--allow-simulated", "--allow-development-srs"];

let service: RunningService;
let folder: ReturnType<typeof temporaryDirectory>;
let environment: Record<string, string>;

beforeAll(async () => {
  if (!hasProver) return;
  folder = temporaryDirectory();
  const circuits = join(folder.path, "circuits");
  mkdirSync(circuits);
  mkdirSync(join(folder.path, "config"), { mode: 0o700 });
  const key = join(folder.path, "config", "owner.key");
  writeFileSync(key, `${"2a".repeat(32)}\n`, { mode: 0o600 });
  const attention = writeAttention(join(folder.path, "models"));
  const ids = [
    await zooCircuit("breast-cancer", circuits),
    await zooCircuit("digits", circuits),
    await circuitOf(attention, circuits, ["--bound", "0.1"]),
  ];
  for (const id of ids) {
    const bind = ["circuit", "bind", id, "--key", key, "--data-dir", folder.path];
    await command(bind, { AFFIDAVIT_CIRCUITS_DIR: "" });
  }
  service = await startService({
    directory: folder.path,
    environment: {
      AFFIDAVIT_CACHE_DIR: proverCache,
      AFFIDAVIT_CIRCUITS_DIR: circuits,
      AFFIDAVIT_MODELS_DIR: join(folder.path, "models"),
      AFFIDAVIT_PROVERS: "1",
    },
  });
  environment = { AFFIDAVIT_URL: service.url, AFFIDAVIT_API_KEY: service.apiKey };
}, 1_200_000);
afterAll(async () => {
  await service?.stop();
  folder?.remove();
});

describe.skipIf(!hasProver)(`the command${WITHOUT_PROVER}`, () => {
  it.each(["breast-cancer", "attention", "digits"])(
    "infers with %s, waits for the proof, saves and verifies it",
    async (model) => {
      const file = join(folder.path, `${model}.json`);
      const words = [
        "infer",
        model,
        "--input",
        example(model),
        "--assurance",
        "tee+zk",
        "--wait",
        "--save",
        file,
      ];
      const answer = await command([...words, "--allow-simulated"], environment);
      expect(answer).toMatchObject({ ok: true, promise: { kind: "proof", state: "delivered" } });
      expect(parseProofBundle(readFileSync(file, "utf8")).proofStatement).not.toBeNull();
      // With the private part beside it, both commitments are opened.
      expect(await command(["verify", file, ...TRUST])).toMatchObject({ ok: true });
    },
  );

  it("proves an answer later, from what was saved of it", async () => {
    const file = join(folder.path, "plain.json");
    const words = ["infer", "breast-cancer", "--input", example("breast-cancer"), "--save", file];
    await command([...words, "--allow-simulated"], environment);
    const proved = await command(["prove", file, "--allow-simulated"], environment);
    expect(proved).toMatchObject({ ok: true, file: `${file}.proof` });
    const verify = ["verify", `${file}.proof`, "--private", `${file}.private`, ...TRUST];
    expect(await command(verify)).toMatchObject({ ok: true });
  });

  it("runs an answer again elsewhere", async () => {
    const words = [
      "infer",
      "digits",
      "--input",
      example("digits"),
      "--assurance",
      "tee+reexecution",
      "--wait",
    ];
    const answer = await command([...words, "--allow-simulated"], environment);
    expect(answer).toMatchObject({ ok: true, promise: { kind: "reexecution", state: "delivered" } });
  });
});
