import {
  chmodSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256 } from "../../codec/index.ts";
import { loadCluster, saveCheckpoint } from "./cluster.ts";
import { CHECKPOINT_FILE, enterKeyDirectory, KEY_FILE } from "./key-directory.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const start = process.cwd();
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vault-"));
  enterKeyDirectory(join(directory, "a", "keys"), undefined);
});

afterEach(() => {
  process.chdir(start);
  rmSync(directory, { recursive: true });
});

const signed = { originDigest: new Uint8Array(32).fill(1), size: 5n, root: new Uint8Array(32).fill(2) };

async function flipEach(file: string, code: string): Promise<void> {
  const original = readFileSync(file);
  for (let i = 0; i < original.length; i++) {
    const flipped = Buffer.from(original);
    flipped[i]! ^= 1;
    writeFileSync(file, flipped);
    await expect(loadCluster(), `byte ${i}`).rejects.toThrow(refusal(code));
  }
  for (const wrong of [original.subarray(1), Buffer.concat([original, original.subarray(0, 1)])]) {
    writeFileSync(file, wrong);
    await expect(loadCluster()).rejects.toThrow(refusal(code));
  }
  writeFileSync(file, original);
}

describe("loadCluster", () => {
  it("makes private files once and reads them afterwards", async () => {
    const made = await loadCluster();
    expect(readdirSync(".").toSorted()).toEqual([KEY_FILE, CHECKPOINT_FILE]);
    for (const name of [KEY_FILE, CHECKPOINT_FILE]) expect(statSync(name).mode & 0o777).toBe(0o600);
    expect(statSync(".").mode & 0o777).toBe(0o700);
    expect(await loadCluster()).toEqual(made);
    const { epoch: _, ...secrets } = made.keys;
    expect(new Set(Object.values(secrets).map(String)).size).toBe(5);
  });

  it("adds the keys that a file of version 1 lacks, once", async () => {
    const { keys } = await loadCluster();
    const body = readFileSync(KEY_FILE).subarray(0, 112);
    body.writeUInt32LE(1, 8);
    writeFileSync(KEY_FILE, Buffer.concat([body, sha256(body)]));
    const upgraded = await loadCluster();
    expect(upgraded.keys).toMatchObject({
      epoch: keys.epoch,
      logSeed: keys.logSeed,
      storageKey: keys.storageKey,
      hpkeKey: keys.hpkeKey,
    });
    expect(upgraded.keys.chainKey).not.toEqual(keys.chainKey);
    expect(await loadCluster()).toEqual(upgraded);
  });

  it("keeps the last checkpoint", async () => {
    const { checkpoint } = await loadCluster();
    await saveCheckpoint({ ...checkpoint, last: signed });
    expect((await loadCluster()).checkpoint.last).toEqual(signed);
  });

  it("refuses every change of a byte and of the length", async () => {
    const { checkpoint } = await loadCluster();
    await saveCheckpoint({ ...checkpoint, last: signed });
    await flipEach(KEY_FILE, "key_file_invalid");
    await flipEach(CHECKPOINT_FILE, "checkpoint_state_invalid");
    expect((await loadCluster()).checkpoint.last).toEqual(signed);
  });

  it("never makes one file anew beside the other once something was signed", async () => {
    const { checkpoint } = await loadCluster();
    renameSync(CHECKPOINT_FILE, "away");
    await expect(loadCluster()).rejects.toThrow(refusal("checkpoint_state_missing"));
    renameSync("away", CHECKPOINT_FILE);
    await saveCheckpoint({ ...checkpoint, last: signed });
    renameSync(KEY_FILE, "away");
    await expect(loadCluster()).rejects.toThrow(refusal("cluster_keys_missing"));
  });

  it("starts over after a crash between its two first writes", async () => {
    const first = await loadCluster();
    rmSync(KEY_FILE);
    const second = await loadCluster();
    expect(second.keys.logSeed).not.toEqual(first.keys.logSeed);
    expect(await loadCluster()).toEqual(second);
  });

  it("refuses another log key's checkpoint", async () => {
    const { checkpoint } = await loadCluster();
    await saveCheckpoint({ ...checkpoint, logPublicKey: new Uint8Array(32) });
    await expect(loadCluster()).rejects.toThrow(refusal("checkpoint_state_invalid"));
  });

  it("overwrites what an interrupted write left", async () => {
    const { checkpoint } = await loadCluster();
    writeFileSync(`${CHECKPOINT_FILE}.new`, Buffer.alloc(1000), { mode: 0o600 });
    await saveCheckpoint({ ...checkpoint, last: signed });
    expect((await loadCluster()).checkpoint.last).toEqual(signed);
  });

  it("refuses a key file that others may read, a link to one, and one with a second name", async () => {
    await loadCluster();
    for (const mode of [0o640, 0o604, 0o660]) {
      chmodSync(KEY_FILE, mode);
      await expect(loadCluster()).rejects.toThrow(refusal("key_directory_unsafe"));
    }
    chmodSync(KEY_FILE, 0o600);
    linkSync(KEY_FILE, "second");
    await expect(loadCluster()).rejects.toThrow(refusal("key_directory_unsafe"));
    rmSync(KEY_FILE);
    symlinkSync("second", KEY_FILE);
    await expect(loadCluster()).rejects.toThrow(refusal("key_directory_unsafe"));
  });
});

describe("enterKeyDirectory", () => {
  it("refuses a directory that others may enter", () => {
    chmodSync(".", 0o750);
    expect(() => enterKeyDirectory(process.cwd(), undefined)).toThrow(refusal("key_directory_unsafe"));
  });

  it.skipIf(process.geteuid!() !== 0)("refuses another user's directory (needs root)", async () => {
    await loadCluster();
    const { chownSync } = await import("node:fs");
    chownSync(KEY_FILE, 1234, 1234);
    await expect(loadCluster()).rejects.toThrow(refusal("key_directory_unsafe"));
    chownSync(".", 1234, 1234);
    expect(() => enterKeyDirectory(process.cwd(), undefined)).toThrow(refusal("key_directory_unsafe"));
  });
});
