import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { ed25519 } from "@noble/curves/ed25519.js";
import { equal, toHex } from "../codec/index.ts";
import { connect } from "../ipc/index.ts";
import { EMPTY_ROOT, leafHash } from "../receipts/index.ts";
import { VaultClient } from "./client.ts";
import { clusterSecrets, readClusterKeys } from "./cluster-secrets.test-support.ts";
import { DEFAULT_VAULT_ID, startVault } from "./start.ts";
import {
  draw,
  inference,
  install,
  newKeyDirectory,
  signOne,
  spawnBare,
  start,
} from "./vault.test-support.ts";
import { MAX_FRAME_BYTES } from "./wire/operations.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const isRoot = process.geteuid!() === 0;

describe("a vault that ends", () => {
  it("killed, keeps cluster keys and last checkpoint and loses instance keys", async () => {
    const directory = newKeyDirectory();
    const before = spawnBare(directory);
    const client = new VaultClient(connect(before.stream, { maxFrameBytes: MAX_FRAME_BYTES }));
    const info = await client.describe();
    await install(client);
    const salt = await client.defaultSalt(new Uint8Array(32));
    await client.signCheckpoint({ size: 0n, root: EMPTY_ROOT, consistencyProof: [] });
    const root = leafHash(new Uint8Array(1));
    await client.signCheckpoint({ size: 1n, root, consistencyProof: [] });
    const [ticket] = await draw(client, 1);
    before.child.kill("SIGKILL");
    await once(before.child, "exit");

    const after = await start(directory);
    expect(after.info.logPublicKey).toEqual(info.logPublicKey);
    expect(after.info.receiptAddress).not.toEqual(info.receiptAddress);
    expect(after.info.airPublicKey).not.toEqual(info.airPublicKey);
    expect(await after.defaultSalt(new Uint8Array(32))).toEqual(salt);
    expect(await after.lastCheckpoint()).toEqual({ size: 1n, root });
    await install(after);
    await expect(after.signInference(inference(ticket!))).rejects.toThrow(refusal("ticket_unknown"));
    await expect(after.signCheckpoint({ size: 0n, root: EMPTY_ROOT, consistencyProof: [] })).rejects.toThrow(
      refusal("checkpoint_rollback"),
    );
  });

  it("tells who waits, and whoever asks later, that it is gone", async () => {
    const vault = await start();
    await install(vault);
    const tickets = await draw(vault, 500);
    const waiting = Promise.allSettled(tickets.map((ticket) => vault.signInference(inference(ticket))));
    await vault.close();
    for (const result of await waiting) {
      if (result.status === "rejected") expect(result.reason).toEqual(refusal("vault_gone"));
    }
    expect(await vault.exited).toEqual({ code: 0, signal: null });
    await expect(vault.drawTickets(1)).rejects.toThrow(refusal("vault_gone"));
    await vault.close();
  });

  it("ends when its channel does, and at no signal of a terminal or supervisor", async () => {
    const lines: string[] = [];
    const vault = await start(newKeyDirectory(), lines);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(vault.pid, signal);
    expect(await vault.drawTickets(1)).toHaveLength(1);
    await vault.close();
    expect(await vault.exited).toEqual({ code: 0, signal: null });
    expect(lines).toEqual([]);
  });

  it("opens no debugger at the signal that opens Node's", async () => {
    const lines: string[] = [];
    const vault = await start(newKeyDirectory(), lines);
    process.kill(vault.pid, "SIGUSR1");
    // Without the flag, Node prints "Debugger listening on …" within milliseconds.
    await sleep(300);
    expect(await vault.drawTickets(1)).toHaveLength(1);
    expect(lines).toEqual([]);
  });

  it.runIf(process.platform === "linux")("hides its memory and environment from its own user", async () => {
    const vault = await start();
    expect(vault.info.dumpable).toBe(false);
    expect(statSync(`/proc/${vault.pid}/mem`).uid).toBe(0);
    expect(readFileSync(`/proc/${vault.pid}/limits`, "latin1")).toMatch(/Max core file size +0 +0/);
  });

  it("ends with a service that is killed, and lets the next one in", async () => {
    const directory = newKeyDirectory();
    const script = `
      import { startVault } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
      const [keyDirectory] = process.argv.slice(1);
      await startVault({ keyDirectory, attestation: "simulated", log: () => undefined });
      process.stdout.write("up");`;
    const service = spawn(process.execPath, ["--input-type=module-typescript", "-e", script, directory]);
    await once(service.stdout, "data");
    service.kill("SIGKILL");
    const next = await start(directory);
    await install(next);
    await signOne(next);
  });
});

describe("a vault that cannot start", () => {
  it("refuses a directory that another vault holds", async () => {
    const directory = newKeyDirectory();
    await start(directory);
    await expect(start(directory)).rejects.toThrow(refusal("key_directory_in_use"));
  });

  it("refuses a directory that it cannot make", async () => {
    const file = newKeyDirectory();
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, "");
    for (const path of [file, join(file, "below")]) {
      await expect(start(path)).rejects.toThrow(refusal("key_directory_unreachable"));
    }
  });

  it("refuses unsafe directories and damaged keys", async () => {
    const open = newKeyDirectory();
    mkdirSync(open, { recursive: true });
    chmodSync(open, 0o755);
    await expect(start(open)).rejects.toThrow(refusal("key_directory_unsafe"));

    const damaged = newKeyDirectory();
    const vault = await start(damaged);
    await vault.close();
    const file = join(damaged, "cluster.keys");
    const keys = readFileSync(file);
    keys[20]! ^= 1;
    writeFileSync(file, keys);
    await expect(start(damaged)).rejects.toThrow(refusal("key_file_invalid"));
    chmodSync(file, 0o644);
    await expect(start(damaged)).rejects.toThrow(refusal("key_directory_unsafe"));
    rmSync(join(damaged, "last.checkpoint"));
    keys[20]! ^= 1;
    chmodSync(file, 0o600);
    writeFileSync(file, keys);
    await expect(start(damaged)).rejects.toThrow(refusal("checkpoint_state_missing"));
  });

  it("refuses an attester that is not there, and says why in its log", async () => {
    const lines: string[] = [];
    const options = {
      keyDirectory: newKeyDirectory(),
      attestation: "nothing",
      log: (line: string) => void lines.push(line),
    };
    await expect(startVault(options)).rejects.toThrow(refusal("attester_unavailable"));
    expect(lines.join("\n")).toContain("nothing");
  });

  it.skipIf(isRoot)("refuses a user that it cannot become (needs not to be root)", async () => {
    const options = { keyDirectory: newKeyDirectory(), attestation: "simulated", log: () => undefined };
    await expect(startVault({ ...options, uid: 60_000 })).rejects.toThrow(refusal("own_user_unavailable"));
  });
});

describe("the vault's keys", () => {
  it("never cross the channel", async () => {
    const directory = newKeyDirectory();
    const { stream } = spawnBare(directory);
    const seen: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => void seen.push(chunk));
    const client = new VaultClient(connect(stream, { maxFrameBytes: MAX_FRAME_BYTES }));
    await client.describe();
    await install(client);
    await client.quote(null);
    const [ticket] = await draw(client, 1);
    await client.signInference(inference(ticket!));
    await client.defaultSalt(ticket!);
    await client.recordKey(ticket!);
    await client.idempotencyTag(ticket!);
    await client.signCheckpoint({ size: 0n, root: EMPTY_ROOT, consistencyProof: [] });
    await client.drawTickets(5000).catch(() => undefined);
    const traffic = Buffer.concat(seen);
    const keys = readClusterKeys(directory);
    // The search does find what crosses the channel: a public key and a ticket.
    expect(traffic.includes(Buffer.from(ed25519.getPublicKey(keys.logSeed)))).toBe(true);
    expect(traffic.includes(Buffer.from(ticket!))).toBe(true);
    for (const secret of Object.values(clusterSecrets(directory))) {
      for (const form of [
        Buffer.from(secret),
        Buffer.from(secret.toReversed()),
        Buffer.from(toHex(secret)),
      ]) {
        expect(traffic.includes(form)).toBe(false);
      }
      expect(traffic.includes(Buffer.from(secret).toString("base64").slice(0, 40))).toBe(false);
    }
  });

  it.skipIf(!isRoot)("belong to the vault's own user where it is started as root (needs root)", async () => {
    const directory = newKeyDirectory();
    const vault = await start(directory);
    expect(vault.info.ownUser).toBe(true);
    for (const path of [directory, join(directory, "cluster.keys"), join(directory, "last.checkpoint")]) {
      const { uid, gid, mode } = statSync(path);
      expect([uid, gid, mode & 0o077]).toEqual([DEFAULT_VAULT_ID, DEFAULT_VAULT_ID, 0]);
    }
    const first = await vault.defaultSalt(new Uint8Array(32));
    await vault.close();
    const again = await start(directory);
    expect(equal(await again.defaultSalt(new Uint8Array(32)), first)).toBe(true);
  });

  it.skipIf(!isRoot)("made under a shared user move to the vault's own (needs root)", async () => {
    const directory = newKeyDirectory();
    const { child, stream } = spawnBare(directory);
    const shared = new VaultClient(connect(stream, { maxFrameBytes: MAX_FRAME_BYTES }));
    const { logPublicKey, ownUser } = await shared.describe();
    expect(ownUser).toBe(false);
    child.kill("SIGKILL");
    await once(child, "exit");
    const vault = await start(directory);
    expect(vault.info.ownUser).toBe(true);
    expect(vault.info.logPublicKey).toEqual(logPublicKey);
    expect(statSync(join(directory, "cluster.keys")).uid).toBe(DEFAULT_VAULT_ID);
  });
});
