/** The owner's policy in a running vault: who may change it, that it holds at once, and that no older one comes back. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import { describe, expect, it } from "vitest";
import { decodeStatement, recoverSigner, signVaultPolicy, vaultPolicyDigest } from "../receipts/index.ts";
import type { Vault } from "./start.ts";
import { inference, install, newKeyDirectory, start } from "./vault.test-support.ts";

const SEED = new Uint8Array(32).fill(5);
const owner = ed25519.getPublicKey(SEED);
const stranger = new Uint8Array(32).fill(6);
const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });

function policy(version: number, operations: Record<string, number>, seed = SEED): string {
  const limits = {
    operationsPerHour: new Map(Object.entries(operations)),
    weiPerTransaction: null,
    weiPerHour: null,
    creditAtomic: null,
  };
  return signVaultPolicy({ version, issuedAtMs: 1n, limits, peers: null }, seed);
}

const begin = (directory = newKeyDirectory(), lines: string[] = [], by: Uint8Array | undefined = owner) =>
  start(directory, lines, { owner: by });

const salts = (vault: Vault, count: number) =>
  Promise.allSettled(Array.from({ length: count }, () => vault.defaultSalt(new Uint8Array(32))));

async function restarted(vault: Vault, directory: string, lines: string[] = [], by = owner): Promise<Vault> {
  await vault.close();
  return await begin(directory, lines, by);
}

describe("a vault with an owner", () => {
  it("takes the owner's policy, states it, holds it at once and after a start, and goes on counting", async () => {
    const directory = newKeyDirectory();
    const vault = await begin(directory);
    await install(vault);
    expect(await vault.readPolicy()).toMatchObject({ owner, document: null });
    expect((await salts(vault, 5)).every(({ status }) => status === "fulfilled")).toBe(true);
    const document = policy(1, { defaultSalt: 3, sign: 2 });
    const signed = await vault.changePolicy(document);
    expect(recoverSigner(signed.digest, signed.signature)).toEqual(vault.info.receiptAddress);
    expect(decodeStatement("PolicyChange", signed.words)).toMatchObject({
      documentDigest: vaultPolicyDigest(document),
    });
    expect((await salts(vault, 5)).filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    const tickets = await vault.drawTickets(3);
    const answers = await Promise.allSettled(
      tickets.map(({ requestId }) => vault.signInference(inference(requestId))),
    );
    // One batch of three is above the limit as a whole.
    expect(answers.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    await vault.signInference(inference(tickets[0]!.requestId));
    const next = await restarted(vault, directory);
    expect((await next.readPolicy()).document).toBe(document);
    await expect(next.defaultSalt(new Uint8Array(32))).rejects.toEqual(refusal("limit_reached"));
    // The same again is stated again, for a log that missed it; its owner lifts the limit.
    await install(next);
    expect(await next.changePolicy(document)).toMatchObject({ type: "PolicyChange" });
    await next.changePolicy(policy(2, {}));
    await next.defaultSalt(new Uint8Array(32));
  });

  it("takes no other's policy, none of a version that was, and none that limits what it must not", async () => {
    const directory = newKeyDirectory();
    const vault = await begin(directory);
    await expect(vault.changePolicy(policy(1, {}))).rejects.toEqual(refusal("keyset_missing"));
    await install(vault);
    await vault.changePolicy(policy(5, { defaultSalt: 1 }));
    const cases: [string, string][] = [
      ["policy_owner_unknown", policy(6, {}, stranger)],
      ["policy_stale", policy(5, {})],
      ["policy_stale", policy(4, {})],
      ["policy_invalid", policy(6, { changePolicy: 0 })],
      ["policy_invalid", policy(6, { signAll: 0 })],
      ["policy_invalid", policy(6, {}).replace('"version":6', '"version":7')],
      ["policy_invalid", "{}"],
    ];
    for (const [code, document] of cases)
      await expect(vault.changePolicy(document), code).rejects.toEqual(refusal(code));
    await vault.defaultSalt(new Uint8Array(32));
    await expect(vault.defaultSalt(new Uint8Array(32))).rejects.toEqual(refusal("limit_reached"));
  });

  it("keeps the owner of its first start, whoever starts it later", async () => {
    const directory = newKeyDirectory();
    const vault = await begin(directory);
    const lines: string[] = [];
    const next = await restarted(vault, directory, lines, ed25519.getPublicKey(stranger));
    await install(next);
    expect(lines.join()).toContain("stays the one of its first start");
    await expect(next.changePolicy(policy(1, {}, stranger))).rejects.toEqual(refusal("policy_owner_unknown"));
    await next.changePolicy(policy(1, {}));
  });

  it("does not start without its policy, with an older or a changed one; a newer one is what a crash left", async () => {
    const directory = newKeyDirectory();
    const file = join(directory, "vault.policy");
    const vault = await begin(directory);
    await install(vault);
    await vault.changePolicy(policy(1, {}));
    const older = readFileSync(file);
    await vault.changePolicy(policy(2, { defaultSalt: 1 }));
    await vault.close();
    const held = readFileSync(file, "utf8");
    const cases: [string, () => void][] = [
      ["policy_missing", () => rmSync(file)],
      ["policy_stale", () => writeFileSync(file, older, { mode: 0o600 })],
      [
        "policy_invalid",
        () => writeFileSync(file, held.replace('"version":2', '"version":3'), { mode: 0o600 }),
      ],
      ["policy_owner_unknown", () => writeFileSync(file, policy(3, {}, stranger), { mode: 0o600 })],
    ];
    for (const [code, spoil] of cases) {
      spoil();
      await expect(begin(directory), code).rejects.toEqual(refusal(code));
    }
    writeFileSync(file, policy(3, { defaultSalt: 7 }), { mode: 0o600 });
    const next = await begin(directory);
    expect((await next.readPolicy()).used).toContainEqual({ name: "defaultSalt", used: 0n, perHour: 7n });
    await next.close();
    // It holds from then on.
    writeFileSync(file, held, { mode: 0o600 });
    await expect(begin(directory)).rejects.toEqual(refusal("policy_stale"));
  });
});

it("a vault that no owner was named to takes no policy", async () => {
  const vault = await start();
  await install(vault);
  expect(await vault.readPolicy()).toMatchObject({ owner: null, document: null });
  await expect(vault.changePolicy(policy(1, {}))).rejects.toEqual(refusal("policy_owner_unknown"));
});
