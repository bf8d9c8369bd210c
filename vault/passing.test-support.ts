/** The cluster's keys on their way from one running vault to another, by relays that tests make. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import { expect } from "vitest";
import { createSimulatedAttester } from "../attestation/attest/index.ts";
import type { AppraisalPolicyInput } from "../attestation/index.ts";
import { jcs, sha256, type Json } from "../codec/index.ts";
import { signVaultPolicy } from "../receipts/index.ts";
import { joinCluster, type PassingRelay } from "./join.ts";
import type { Vault } from "./start.ts";
import { install, newKeyDirectory, start } from "./vault.test-support.ts";

const SEED = new Uint8Array(32).fill(5);
export const owner = ed25519.getPublicKey(SEED);
export const refusal = (code: string): unknown => expect.objectContaining({ name: "VaultError", code });
export const SAME = { formatVersion: 1, roots: ["simulated"], codeIdentity: "reportedIfSimulated" } as const;
const zero = "00".repeat(48);
export const OTHER_IMAGE: AppraisalPolicyInput = {
  ...SAME,
  roots: ["simulated"],
  tdx: { measurements: [{ mrTd: zero, rtmr0: zero, rtmr1: zero, rtmr2: zero }] },
};

/** Of the simulated TEE, whoever's it is. */
export const endorsements: string = jcs(await createSimulatedAttester().endorsements(new Date()));

export function policy(
  version: number,
  peers: AppraisalPolicyInput | null,
  operations: Record<string, number> = {},
) {
  const limits = {
    operationsPerHour: new Map(Object.entries(operations)),
    weiPerTransaction: null,
    weiPerHour: null,
    creditAtomic: null,
  };
  return signVaultPolicy({ version, issuedAtMs: 1n, limits, peers: peers as Json }, SEED);
}

/** @param by whose policies it takes; null for nobody's */
export async function giver(
  directory = newKeyDirectory(),
  lines: string[] = [],
  by: Uint8Array | null = owner,
) {
  const vault = await start(directory, lines, by ? { owner: by } : {});
  await install(vault);
  await vault.signCheckpoint({ size: 0n, root: sha256(new Uint8Array(0)), consistencyProof: [] });
  return { vault, directory, lines };
}

export type Given = Awaited<ReturnType<Vault["giveClusterKeys"]>>;

/** An honest relay, which keeps what passed. */
export function relayTo(vault: Vault, seen: Given[] = []): PassingRelay {
  return {
    begin: (asked) => vault.beginGiving(asked),
    async give(nonce, { type, quote }) {
      const given = await vault.giveClusterKeys({ nonce, peer: { type, quote, endorsements } });
      seen.push(given);
      const { sealed, evidence } = given;
      return { sealed, peer: { type: evidence.type, quote: evidence.quote, endorsements } };
    },
  };
}

export function receive(
  relay: PassingRelay,
  {
    text = null,
    by = owner as Uint8Array | undefined,
    directory = newKeyDirectory(),
  }: { text?: string | null; by?: Uint8Array | undefined; directory?: string } = {},
) {
  const options = { keyDirectory: directory, attestation: "simulated", owner: by, log: () => undefined };
  return joinCluster(options, relay, text);
}

/** No keys came of it. */
export async function expectRefused(
  code: string,
  relay: PassingRelay,
  rest: Parameters<typeof receive>[1] = {},
) {
  const directory = newKeyDirectory();
  await expect(receive(relay, { ...rest, directory }), code).rejects.toEqual(refusal(code));
  expect(existsSync(join(directory, "cluster.keys"))).toBe(false);
}
