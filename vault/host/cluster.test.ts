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
import { concat, sha256, utf8 } from "../../codec/index.ts";
import { drawSealingKey, type ClusterKeys } from "./cluster-keys.ts";
import { loadCluster, saveCheckpoint, saveKeys } from "./cluster.ts";
import { CHECKPOINT_FILE, enterKeyDirectory, KEY_FILE } from "./key-directory.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const NOW_MS = 1_800_000_000_000;
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
    await expect(loadCluster(NOW_MS), `byte ${i}`).rejects.toThrow(refusal(code));
  }
  for (const wrong of [original.subarray(1), Buffer.concat([original, original.subarray(0, 1)])]) {
    writeFileSync(file, wrong);
    await expect(loadCluster(NOW_MS)).rejects.toThrow(refusal(code));
  }
  writeFileSync(file, original);
}

/** As those versions wrote it, with epoch 7. */
function oldFile(
  version: 1 | 2,
  { logSeed, storageKey, sealingKeys, chainKey, fheSeed }: ClusterKeys,
): Buffer {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(version, 0);
  numbers.writeUInt32LE(7, 4);
  const later = version === 1 ? [] : [chainKey, fheSeed];
  const body = concat(utf8("AFFKEYS\0"), numbers, logSeed, storageKey, sealingKeys[0]!.secretKey, ...later);
  return Buffer.concat([body, sha256(body)]);
}

describe("loadCluster", () => {
  it("makes private files once and reads them afterwards", async () => {
    const made = await loadCluster(NOW_MS);
    expect(readdirSync(".").toSorted()).toEqual([KEY_FILE, CHECKPOINT_FILE]);
    for (const name of [KEY_FILE, CHECKPOINT_FILE]) expect(statSync(name).mode & 0o777).toBe(0o600);
    expect(statSync(".").mode & 0o777).toBe(0o700);
    expect(await loadCluster(NOW_MS)).toEqual(made);
    const { sealingKeys, policy, ...secrets } = made.keys;
    expect(policy).toEqual({ owner: null, version: 0 });
    expect(sealingKeys).toMatchObject([{ epoch: 1, madeAtMs: NOW_MS }]);
    const all = [...Object.values(secrets), sealingKeys[0]!.secretKey];
    expect(new Set(all.map(String)).size).toBe(5);
  });

  it.each([1, 2] as const)("reads a file of version %i, and adds what it lacks, once", async (version) => {
    const { keys } = await loadCluster(NOW_MS);
    const { chainKey, fheSeed, ...kept } = keys;
    writeFileSync(KEY_FILE, oldFile(version, keys));
    const upgraded = await loadCluster(NOW_MS + 5);
    const { secretKey } = keys.sealingKeys[0]!;
    const sealingKeys = [{ epoch: 7, madeAtMs: NOW_MS + 5, secretKey }];
    expect(upgraded.keys).toMatchObject({ ...kept, sealingKeys });
    if (version === 1) expect(upgraded.keys.chainKey).not.toEqual(chainKey);
    else expect(upgraded.keys).toMatchObject({ chainKey, fheSeed });
    expect(await loadCluster(NOW_MS + 9)).toEqual(upgraded);
    writeFileSync(KEY_FILE, oldFile(version, keys).fill(0, 12, 16));
    await expect(loadCluster(NOW_MS)).rejects.toThrow(refusal("key_file_invalid"));
  });

  it("keeps several sealing keys in order, and refuses any other order or number", async () => {
    const { keys } = await loadCluster(NOW_MS);
    const rows = [9, 4, 1].map((epoch) => drawSealingKey(epoch, NOW_MS + epoch));
    await saveKeys({ ...keys, sealingKeys: rows });
    expect((await loadCluster(NOW_MS)).keys.sealingKeys).toEqual(rows);
    const many = Array.from({ length: 9 }, (_, i) => drawSealingKey(9 - i, NOW_MS));
    for (const sealingKeys of [rows.toReversed(), [rows[0]!, rows[0]!], [drawSealingKey(0, 1)], [], many]) {
      await saveKeys({ ...keys, sealingKeys });
      await expect(loadCluster(NOW_MS)).rejects.toThrow(refusal("key_file_invalid"));
    }
  });

  it("keeps the last checkpoint", async () => {
    const { checkpoint } = await loadCluster(NOW_MS);
    await saveCheckpoint({ ...checkpoint, last: signed });
    expect((await loadCluster(NOW_MS)).checkpoint.last).toEqual(signed);
  });

  it("refuses every change of a byte and of the length", async () => {
    const { checkpoint } = await loadCluster(NOW_MS);
    await saveCheckpoint({ ...checkpoint, last: signed });
    await flipEach(KEY_FILE, "key_file_invalid");
    await flipEach(CHECKPOINT_FILE, "checkpoint_state_invalid");
    expect((await loadCluster(NOW_MS)).checkpoint.last).toEqual(signed);
  });

  it("never makes one file anew beside the other once something was signed", async () => {
    const { checkpoint } = await loadCluster(NOW_MS);
    renameSync(CHECKPOINT_FILE, "away");
    await expect(loadCluster(NOW_MS)).rejects.toThrow(refusal("checkpoint_state_missing"));
    renameSync("away", CHECKPOINT_FILE);
    await saveCheckpoint({ ...checkpoint, last: signed });
    renameSync(KEY_FILE, "away");
    await expect(loadCluster(NOW_MS)).rejects.toThrow(refusal("cluster_keys_missing"));
  });

  it("starts over after a crash between its two first writes", async () => {
    const first = await loadCluster(NOW_MS);
    rmSync(KEY_FILE);
    const second = await loadCluster(NOW_MS);
    expect(second.keys.logSeed).not.toEqual(first.keys.logSeed);
    expect(await loadCluster(NOW_MS)).toEqual(second);
  });

  it("refuses another log key's checkpoint", async () => {
    const { checkpoint } = await loadCluster(NOW_MS);
    await saveCheckpoint({ ...checkpoint, logPublicKey: new Uint8Array(32) });
    await expect(loadCluster(NOW_MS)).rejects.toThrow(refusal("checkpoint_state_invalid"));
  });

  it("overwrites what an interrupted write left", async () => {
    const { checkpoint } = await loadCluster(NOW_MS);
    writeFileSync(`${CHECKPOINT_FILE}.new`, Buffer.alloc(1000), { mode: 0o600 });
    await saveCheckpoint({ ...checkpoint, last: signed });
    expect((await loadCluster(NOW_MS)).checkpoint.last).toEqual(signed);
  });

  it("refuses a key file that others may read, a link to one, and one with a second name", async () => {
    await loadCluster(NOW_MS);
    for (const mode of [0o640, 0o604, 0o660]) {
      chmodSync(KEY_FILE, mode);
      await expect(loadCluster(NOW_MS)).rejects.toThrow(refusal("key_directory_unsafe"));
    }
    chmodSync(KEY_FILE, 0o600);
    linkSync(KEY_FILE, "second");
    await expect(loadCluster(NOW_MS)).rejects.toThrow(refusal("key_directory_unsafe"));
    rmSync(KEY_FILE);
    symlinkSync("second", KEY_FILE);
    await expect(loadCluster(NOW_MS)).rejects.toThrow(refusal("key_directory_unsafe"));
  });
});

describe("enterKeyDirectory", () => {
  it("refuses a directory that others may enter", () => {
    chmodSync(".", 0o750);
    expect(() => enterKeyDirectory(process.cwd(), undefined)).toThrow(refusal("key_directory_unsafe"));
  });

  it.skipIf(process.geteuid!() !== 0)("refuses another user's directory (needs root)", async () => {
    await loadCluster(NOW_MS);
    const { chownSync } = await import("node:fs");
    chownSync(KEY_FILE, 1234, 1234);
    await expect(loadCluster(NOW_MS)).rejects.toThrow(refusal("key_directory_unsafe"));
    chownSync(".", 1234, 1234);
    expect(() => enterKeyDirectory(process.cwd(), undefined)).toThrow(refusal("key_directory_unsafe"));
  });
});
