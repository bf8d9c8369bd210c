/** Live vaults for tests, each on a key directory of its own below a folder that only the test's user may enter. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { SignedStatement } from "./signed-statement.ts";
import { formatArguments } from "./host/arguments.ts";
import { DEFAULT_SEALING_ROTATION, startVault, type Vault, type VaultOptions } from "./start.ts";

const folder = mkdtempSync(join(tmpdir(), "vault-"));
const cleanups: (() => Promise<unknown>)[] = [];
let directories = 0;

afterAll(async () => {
  await Promise.all(cleanups.map((cleanup) => cleanup()));
  rmSync(folder, { recursive: true, force: true });
});

export function newKeyDirectory(): string {
  return join(folder, `${++directories}`, "keys");
}

export async function start(
  keyDirectory = newKeyDirectory(),
  lines: string[] = [],
  options: Partial<VaultOptions> = {},
): Promise<Vault> {
  const log = (line: string) => void lines.push(line);
  const vault = await startVault({ keyDirectory, attestation: "simulated", log, ...options });
  cleanups.push(() => vault.close());
  return vault;
}

/** The vault's process without the client, for what no client would send. */
export function spawnBare(keyDirectory = newKeyDirectory()): { child: ChildProcess; stream: Socket } {
  const main = join(import.meta.dirname, "main.ts");
  const host = formatArguments({
    keyDirectory,
    attestation: "simulated",
    gpuAttestation: "none",
    measurementRegister: "auto",
    user: undefined,
    owner: undefined,
    chain: undefined,
    balances: undefined,
    sealing: DEFAULT_SEALING_ROTATION,
    workers: undefined,
    joining: false,
    keyWrap: "none",
  });
  const child = spawn(process.execPath, [main, ...host], {
    env: {},
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  cleanups.push(async () => child.kill("SIGKILL"));
  return { child, stream: child.stdio[3] as unknown as Socket };
}

export const inOneHour = () => BigInt(Math.floor(Date.now() / 1000)) + 3600n;

export async function install(vault: Pick<Vault, "installKeyset">, logOrigin = "log.example") {
  return vault.installKeyset({
    subject: "test",
    notAfterSeconds: inOneHour(),
    logOrigin,
    tlsKeys: [{ spkiSha256: new Uint8Array(32).fill(9), domain: "a.example" }],
  });
}

const digest = (byte: number) => new Uint8Array(32).fill(byte);

/** An answer that the vault signs. */
export function inference(requestId: Uint8Array): Parameters<Vault["signInference"]>[0] {
  return { ...aborted(requestId), outputDigest: digest(3) };
}

export function aborted(requestId: Uint8Array): Parameters<Vault["signAborted"]>[0] {
  return {
    requestId,
    modelId: digest(1),
    inputCommitment: digest(2),
    requestDigest: digest(4),
    responseDigest: digest(5),
    circuitInput: digest(0),
    executionDigest: digest(6),
    policyDigest: digest(7),
    requester: digest(8),
    audience: digest(0),
    settlement: digest(0),
    promised: 0,
    promiseDeadlineMs: 0n,
  };
}

export async function signOne(vault: Vault): Promise<SignedStatement> {
  const [ticket] = await draw(vault, 1);
  return vault.signInference(inference(ticket!));
}

/** Tickets' request ids alone. */
export async function draw(vault: Pick<Vault, "drawTickets">, count: number): Promise<Uint8Array[]> {
  return (await vault.drawTickets(count)).map(({ requestId }) => requestId);
}
