/** The `chain` commands against a running service and a chain of its own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SIMULATED_SGX_ROOT } from "../attestation/index.ts";
import { bytesToHex } from "viem";
import { createClient, serializeBundle, serializePrivatePart, type InferOptions } from "../client/index.ts";
import { readCheckpointStatement } from "../receipts/index.ts";
import {
  attestedReferenceValue,
  chainSource,
  checkpointAnchorAbi,
  deployContracts,
  parseDeployment,
  receiptFromBundle,
  receiptVerifierAbi,
  registerKeyset,
  verifyOnChain,
} from "../client/chain/index.ts";
import { chainAdapters } from "../client/cli/commands/chain-adapters.ts";
import { chainAnchor } from "../client/cli/commands/chain-anchor.ts";
import { chainCircuit } from "../client/cli/commands/chain-circuit.ts";
import { chainDeploy } from "../client/cli/commands/chain-deploy.ts";
import { chainRegister } from "../client/cli/commands/chain-register.ts";
import { chainVerify } from "../client/cli/commands/chain-verify.ts";
import { jsonLine, runCommand } from "../client/cli/testing/run-command.ts";
import type { Command } from "../client/cli/command.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { startService, type RunningService } from "./service-process.ts";
import { readFileSync } from "node:fs";

const CONSUMER = `0x${"c0".repeat(20)}` as const;
const audience = { chainId: 31337n, address: new Uint8Array(20).fill(0xc0) };

let service: RunningService;
let chain: Chain;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "affidavit-chain-"));
  chain = await startAnvil({ nowSeconds: Math.floor(Date.now() / 1000) });
  service = await startService();
}, 90_000);
afterAll(async () => {
  await Promise.all([service?.stop(), chain?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

const path = (name: string) => join(folder, name);

async function run(command: Command, ...words: string[]): Promise<Record<string, unknown>> {
  const { status, stdout } = await runCommand(command, [...words, "--rpc", chain.url, "--json"]);
  return { status, ...jsonLine(stdout) };
}

const paid = () => ["--from", chain.writer.wallet.account.address];
const deployed = () => ["--deployment", path("deployment.json")];

async function askAndSave(name: string, assurance: NonNullable<InferOptions["assurance"]> = "tee") {
  const client = createClient({
    url: service.url,
    apiKey: service.apiKey,
    policy: { allowSimulated: true, allowUncheckedCode: true },
  });
  const example = readFileSync(new URL("../models/zoo/breast-cancer/example.json", import.meta.url));
  const body = { bytes: new Uint8Array(example), contentType: "application/json", headerLength: null };
  const result = await client.inferBody("breast-cancer", body, { audience, assurance });
  writeFileSync(path(name), serializeBundle(result.receipt));
  writeFileSync(path(`${name}.private`), serializePrivatePart(result.privatePart));
  return result;
}

/** Waits until the newest checkpoint for chains has the receipt in it: from then on it stays, until more is asked. */
async function checkpointed({ receiptId }: { receiptId: string }): Promise<void> {
  const headers = { authorization: `Bearer ${service.apiKey}` };
  const answered = await fetch(`${service.url}/v1/receipts/${receiptId}/inclusion?wait=inclusion`, {
    headers,
  });
  const { leafIndex } = (await answered.json()) as { leafIndex: string };
  const size = async () =>
    readCheckpointStatement(await chainSource(service.url).checkpoint()).statement.size;
  await expect.poll(size, { timeout: 10_000 }).toBeGreaterThan(BigInt(leafIndex));
}

test("deploy, register, verify, anchor", { timeout: 60_000 }, async () => {
  const deploy = [
    ...paid(),
    "--out",
    path("deployment.json"),
    "--development",
    "--trust-code-of",
    service.url,
  ];
  expect(await run(chainDeploy, ...deploy)).toMatchObject({ status: 0, deployment: { chainId: 31337 } });

  const early = await askAndSave("early.json");
  const verify = [path("early.json"), ...deployed(), "--consumer"];
  expect(await run(chainVerify, ...verify, CONSUMER)).toMatchObject({ status: 1, code: "keyset_unknown" });

  expect(await run(chainRegister, ...paid(), ...deployed(), "--url", service.url)).toMatchObject({
    status: 0,
    registration: { technology: "development", listed: true },
  });
  expect(await run(chainVerify, ...verify, CONSUMER)).toMatchObject({ status: 0, intended: true });
  expect(await run(chainVerify, ...verify, `0x${"c1".repeat(20)}`)).toMatchObject({
    status: 1,
    code: "audience_mismatch",
  });
  expect(await run(chainVerify, ...verify, CONSUMER, "--require", "proof")).toMatchObject({
    status: 1,
    code: "delivery_missing",
  });

  const anchor = [...paid(), ...deployed(), "--url", service.url];
  await checkpointed(early);
  expect(await run(chainAnchor, ...anchor)).toMatchObject({ status: 0, anchored: { previousSize: "0" } });
  expect(await run(chainAnchor, ...anchor)).toMatchObject({ status: 1, code: "checkpoint_not_newer" });
  await checkpointed(await askAndSave("later.json"));
  expect(await run(chainAnchor, ...anchor)).toMatchObject({ status: 0 });
});

test("a delivered re-execution is fetched and shown", { timeout: 60_000 }, async () => {
  const { promise } = await askAndSave("again.json", "tee+reexecution");
  const headers = { authorization: `Bearer ${service.apiKey}` };
  await (await fetch(`${service.url}/v1/reexecutions/${promise!.id}/events`, { headers })).text();
  const verify = [path("again.json"), ...deployed(), "--consumer", CONSUMER, "--require", "reexecution"];
  expect(await run(chainVerify, ...verify)).toMatchObject({ status: 1, code: "delivery_missing" });
  const shown = ["--reexecution", promise!.id, "--url", service.url, "--key", service.apiKey];
  expect(await run(chainVerify, ...verify, ...shown)).toMatchObject({ status: 0, intended: true });
  const another = [path("early.json"), ...deployed(), "--consumer", CONSUMER];
  expect(await run(chainVerify, ...another, ...shown)).toMatchObject({ status: 1, code: "delivery_invalid" });
});

test("what was anchored counts after its keyset's end", { timeout: 60_000 }, async () => {
  const late = await askAndSave("late.json");
  const verify = (name: string, ...words: string[]) =>
    run(chainVerify, path(name), ...deployed(), "--consumer", CONSUMER, ...words);
  const anchored = ["--anchored", "--url", service.url, "--key", service.apiKey];
  expect(await verify("early.json", ...anchored)).toMatchObject({ status: 0, intended: true });
  expect(await verify("late.json", ...anchored)).toMatchObject({ status: 1 });
  const { receiptVerifier } = parseDeployment(JSON.parse(readFileSync(path("deployment.json"), "utf8")));
  const keyset = bytesToHex(late.receipt.statement.keysetDigest);
  const { wallet } = chain.writer;
  const hash = await wallet.writeContract({
    address: receiptVerifier,
    abi: receiptVerifierAbi,
    functionName: "revoke",
    args: [keyset],
    account: wallet.account,
    chain: null,
  });
  await chain.reader.waitForTransactionReceipt({ hash });
  expect(await verify("early.json")).toMatchObject({ status: 1, code: "keyset_revoked" });
  expect(await verify("early.json", ...anchored)).toMatchObject({ status: 0, intended: true });
});

test("a keyset enters by a quote that the chain verifies down to its root", { timeout: 60_000 }, async () => {
  const source = chainSource(service.url);
  const { deployment } = await deployContracts(chain.writer, {
    owner: chain.writer.wallet.account.address,
    delaySeconds: 0n,
    referenceValues: [await attestedReferenceValue(source.attestation)],
    tcbStatuses: 1,
    tcbFloor: 0,
    quoteVerifiers: {},
    tdxRoot: SIMULATED_SGX_ROOT.certificate.der,
  });
  const { registration, posted } = await registerKeyset(chain.writer, deployment, source.attestation);
  expect(registration).toMatchObject({ technology: "development", listed: true });
  expect(posted.map(({ brings }) => brings)).toContain("TCB info");
  const { receipt, privatePart } = await askAndSave("tdx.json");
  const presented = receiptFromBundle(receipt, privatePart);
  await verifyOnChain(chain.reader, deployment.receiptVerifier, CONSUMER, presented);
});

test("contracts for others' standards stand on a deployment with a verifier of proofs", async () => {
  const [plain, file] = [path("plain.json"), path("coordinator.json")];
  const deploy = [...paid(), "--development", "--out"];
  expect(await run(chainDeploy, ...deploy, plain)).toMatchObject({ status: 0 });
  expect(await run(chainAdapters, ...paid(), "--deployment", plain)).toMatchObject({
    status: 1,
    code: "deployment_invalid",
  });
  const srs = ["--development-srs", `0x${"11".repeat(32)}`];
  expect(await run(chainDeploy, ...deploy, file, "--coordinator", ...srs)).toMatchObject({ status: 0 });
  const made = await run(chainAdapters, ...paid(), "--deployment", file, "--identity-registry", CONSUMER);
  expect(made).toMatchObject({
    status: 0,
    adapters: { zkmlVerifier: expect.stringMatching(/^0x/) as string },
  });
  const { steps, adapters } = made as { steps: unknown[]; adapters: Record<string, `0x${string}`> };
  expect(steps.length).toBe(6);
  const kept = await run(
    chainAdapters,
    ...paid(),
    "--deployment",
    file,
    "--validation-registry",
    adapters["validationRegistry"]!,
  );
  expect(kept).toMatchObject({ adapters: { validationRegistry: adapters["validationRegistry"] } });
  expect((kept["steps"] as unknown[]).length).toBe(5);
});

test.each([
  [chainDeploy, []],
  [chainDeploy, ["--out", "x", "--from", "0x12"]],
  [chainDeploy, ["--out", "x", "--from", CONSUMER, "--reference-value", "0x12"]],
  [chainRegister, ["--from", CONSUMER]],
  [chainRegister, ["--from", CONSUMER, "--deployment", "/nonexistent"]],
  [chainAnchor, ["--key-file", "/nonexistent"]],
  [chainVerify, ["receipt.json"]],
  [chainVerify, ["receipt.json", "--consumer", CONSUMER, "--proof", "../x"]],
  [chainDeploy, ["--out", "x", "--from", CONSUMER, "--srs", `0x${"11".repeat(32)}`]],
  [chainDeploy, ["--out", "x", "--from", CONSUMER, "--coordinator", "--srs", "0x11"]],
  [chainCircuit, []],
  [chainCircuit, ["abcd", "--from", CONSUMER, "--verifier", CONSUMER]],
  [chainAdapters, ["--from", CONSUMER]],
  [chainAdapters, ["--identity-registry", CONSUMER, "--validation-registry", CONSUMER]],
  [chainVerify, ["/nonexistent", "--consumer", CONSUMER]],
])("bad flags and files are exit 2 (%#)", async (command, words) => {
  expect(await run(command, ...words)).toMatchObject({ status: 2, ok: false });
});

test("the service anchors its log by itself, within its limits", { timeout: 90_000 }, async () => {
  const file = path("own.json");
  const deploy = [...paid(), "--out", file, "--development", "--trust-code-of", service.url];
  expect(await run(chainDeploy, ...deploy)).toMatchObject({ status: 0 });
  const deployment = parseDeployment(JSON.parse(readFileSync(file, "utf8")));
  const own = await startService({
    environment: {
      AFFIDAVIT_CHAIN_DEPLOYMENT: file,
      AFFIDAVIT_CHAIN_RPC_URL: chain.url,
      AFFIDAVIT_CHAIN_ANCHOR_INTERVAL_MS: "1000",
    },
  });
  try {
    const address = /"address":"(0x[0-9a-f]{40})"/.exec(own.output())?.[1] as `0x${string}`;
    await chain.cheats.setBalance({ address, value: 10n ** 18n });
    await expect.poll(() => own.output(), { timeout: 20_000 }).toContain("log_mismatch");
    await run(chainRegister, ...paid(), "--deployment", file, "--url", own.url);
    await expect.poll(() => own.output(), { timeout: 30_000 }).toContain('"anchored"');
    const events = await chain.reader.getContractEvents({
      address: deployment.checkpointAnchor,
      abi: checkpointAnchorAbi,
      eventName: "Anchored",
      fromBlock: 0n,
    });
    expect(events.length).toBe(1);
    const spent = 10n ** 18n - (await chain.reader.getBalance({ address }));
    expect(spent).toBeGreaterThan(0n);
    expect(spent).toBeLessThan(5n * 10n ** 15n);
  } finally {
    await own.stop();
  }
});
