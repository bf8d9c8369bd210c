import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256, toHex, utf8 } from "../codec/index.ts";
import {
  leafHash,
  nodeHash,
  parseEntryBundle,
  parseTlogProof,
  tilePath,
  tileWidth,
  verifyCheckpoint,
  verifyTlogProof,
  type NoteKey,
} from "../receipts/index.ts";
import { createTestDatabase, type TestDatabase } from "../test/postgres.ts";
import { startVault, type Vault } from "../vault/index.ts";
import { CheckpointFeed } from "./checkpoint-feed.ts";
import { Checkpoints } from "./checkpoints.ts";
import { appendItem } from "./db/arbitrary.test-support.ts";
import { createAppender, latestCheckpoint, LogTree, putCheckpoint, type Appender } from "./db/index.ts";
import { PublishedLog } from "./published-log.ts";
import { createTestBench, KEY, OTHER_KEY, type TestBench } from "./routes/testing/services.ts";

const ORIGIN = "log.example/affidavit";
const SIGNED = 300;

/** RFC 9162 section 2.1.1 as it is written there. */
function naiveRoot(hashes: Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return sha256(new Uint8Array(0));
  if (hashes.length === 1) return hashes[0]!;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return nodeHash(naiveRoot(hashes.slice(0, split)), naiveRoot(hashes.slice(split)));
}

const owner = async () => ({ accountId: "alice", tenantId: "one" });

describe("the published log", () => {
  const folder = mkdtempSync(join(tmpdir(), "affidavit-log-"));
  const feed = new CheckpointFeed();
  const items = Array.from({ length: 600 }, () => appendItem());
  const idOf = (index: number) => toHex(items[index]!.statement.digest);
  let database: TestDatabase;
  let appender: Appender;
  let vault: Vault;
  let checkpoints: Checkpoints;
  let bench: TestBench;
  let log: NoteKey;

  beforeAll(async () => {
    database = await createTestDatabase();
    appender = createAppender({ connection: database.connection });
    const tree = new LogTree(database.pool);
    vault = await startVault({ keyDirectory: join(folder, "keys"), attestation: "simulated", log: () => {} });
    log = { name: ORIGIN, publicKey: vault.info.logPublicKey };
    const notAfterSeconds = BigInt(Math.floor(Date.now() / 1000)) + 3600n;
    await vault.installKeyset({ subject: null, notAfterSeconds, logOrigin: ORIGIN, tlsKeys: [] });
    checkpoints = new Checkpoints({
      head: () => tree.head(),
      consistencyProof: (first, second) => tree.consistencyProof(first, second),
      latest: () => latestCheckpoint(database),
      async put({ size, root, note }) {
        await putCheckpoint(database, { size, root, note, eip712: "{}" });
        feed.publish(size);
      },
    });
    for (const item of items.slice(0, SIGNED)) void appender.append(item);
    await appender.append(items[SIGNED]!).then(() => checkpoints.sign(vault));
    await Promise.all(items.slice(SIGNED + 1).map((item) => appender.append(item)));
    const published = new PublishedLog({ database, tree, feed, origin: ORIGIN, witnesses: 0 });
    const { receipts } = createTestBench().services;
    bench = createTestBench({ services: { transparencyLog: published, receipts: { ...receipts, owner } } });
  }, 60_000);
  afterAll(async () => {
    await appender.close();
    await vault.close();
    await database.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  async function bytes(path: string): Promise<Uint8Array> {
    const response = await bench.request(`/log/${path}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    return new Uint8Array(await response.arrayBuffer());
  }

  async function signedHead() {
    return verifyCheckpoint(await (await bench.request("/log/checkpoint")).text(), log);
  }

  test("tiles and entries lead to the signed root", async () => {
    const { size, root } = await signedHead();
    expect(size).toBe(BigInt(SIGNED + 1));
    const hashes: Uint8Array[] = [];
    for (let index = 0n; index * 256n < size; index++) {
      const width = tileWidth(0, index, size);
      const tile = await bytes(tilePath({ level: 0, index, width }));
      expect(tile.length).toBe(32 * width);
      const entries = parseEntryBundle(await bytes(tilePath({ level: "entries", index, width })), width);
      entries.forEach((entry, i) => {
        const hash = tile.subarray(32 * i, 32 * i + 32);
        expect(leafHash(entry)).toEqual(hash);
        hashes.push(hash);
      });
    }
    expect(naiveRoot(hashes)).toEqual(root);
    expect(await bytes("tile/1/000.p/1")).toEqual(naiveRoot(hashes.slice(0, 256)));
  });

  test("nothing that no checkpoint covers is served", async () => {
    const covered = await bench.request("/log/tile/0/001.p/45");
    expect(covered.status).toBe(200);
    for (const path of [
      "0/001.p/46",
      "0/001",
      "entries/001.p/46",
      "1/000.p/2",
      "1/000",
      "2/000.p/1",
      "0/002.p/1",
    ]) {
      const response = await bench.request(`/log/tile/${path}`);
      expect(response.status, path).toBe(404);
      expect(await response.json()).toMatchObject({ code: "tile_not_found" });
    }
  });

  test.each([
    "0/1",
    "0/x000/000",
    "00/000",
    "64/000",
    "-1/000",
    "0/000.p/0",
    "0/000.p/256",
    "0/000.p/08",
    "0/000.p/1/",
    "entries/000/",
    "data/000",
    "0/%2e%2e/000",
    `0/${"x999/".repeat(30)}999`,
  ])("tile %s is no resource", async (path) => {
    expect((await bench.request(`/log/tile/${path}`)).status).toBe(404);
  });

  test("a proof as text verifies offline, for its leaf alone", async () => {
    const response = await bench.request(`/v1/receipts/${idOf(7)}/inclusion`, {
      key: KEY,
      headers: { accept: "text/plain" },
    });
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    const proof = parseTlogProof(await response.text());
    const entries = parseEntryBundle(await bytes("tile/entries/000"), 256);
    const own = entries[Number(proof.index)]!;
    expect(toHex(own.subarray(2, 34))).toBe(idOf(7));
    expect(verifyTlogProof(proof, leafHash(own), log).size).toBe(BigInt(SIGNED + 1));
    for (const other of entries.filter((entry) => entry !== own))
      expect(() => verifyTlogProof(proof, leafHash(other), log)).toThrow();
  });

  test("a proof as JSON is its owner's, and of a signed size", async () => {
    const path = `/v1/receipts/${idOf(8)}/inclusion`;
    const found = (await (await bench.request(path, { key: KEY })).json()) as {
      origin: string;
      proof: string[];
    };
    expect(found).toMatchObject({ formatVersion: 1, receiptId: idOf(8), origin: ORIGIN });
    expect(found.proof.length).toBeGreaterThan(6);
    expect((await bench.request(path, { key: OTHER_KEY })).status).toBe(404);
    expect((await bench.request(path)).status).toBe(401);
    expect((await bench.request(`${path}?size=301`, { key: KEY })).status).toBe(200);
    for (const size of ["300", "302", "9223372036854775807"])
      expect((await bench.request(`${path}?size=${size}`, { key: KEY })).status, size).toBe(404);
    for (const size of ["0", "-1", "9999999999999999999", "x"])
      expect((await bench.request(`${path}?size=${size}`, { key: KEY })).status, size).toBe(400);
  });

  test("a statement that no checkpoint covers is pending, and a wait ends with the next checkpoint", async () => {
    const path = `/v1/receipts/${idOf(599)}/inclusion`;
    const pending = await bench.request(path, { key: KEY });
    expect(pending.status).toBe(404);
    expect(await pending.json()).toMatchObject({ code: "inclusion_pending" });
    const waiting = bench.request(`${path}?wait=inclusion`, { key: KEY });
    await checkpoints.sign(vault);
    const response = await waiting;
    expect(response.status).toBe(200);
    const { checkpoint } = (await response.json()) as { checkpoint: string };
    expect(verifyCheckpoint(checkpoint, log).size).toBe(600n);
    expect((await signedHead()).size).toBe(600n);
    expect(utf8(checkpoint).length).toBeLessThan(1000);
  });
});
