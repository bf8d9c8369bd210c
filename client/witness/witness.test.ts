import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { sha256, toHex, utf8 } from "../../codec/index.ts";
import {
  checkpointText,
  consistencyProof,
  formatAddCheckpoint,
  formatNote,
  leafHash,
  nodeHash,
  NOTE_TYPE_COSIGNATURE,
  NOTE_TYPE_ED25519,
  noteKeyId,
  parseNote,
  parseVerifierKey,
  treeRoot,
  verifyCosignatures,
} from "../../receipts/index.ts";
import { openWitnessKey } from "./key.ts";
import { startWitness, type RunningWitness, type WitnessEvent } from "./server.ts";
import { LogState } from "./state.ts";

const ORIGIN = "log.example/test";

function node(leaves: string) {
  const get = (level: number, index: bigint): Uint8Array =>
    level === 0
      ? leafHash(utf8(leaves[Number(index)]!))
      : nodeHash(get(level - 1, 2n * index), get(level - 1, 2n * index + 1n));
  return get;
}

/** A log that may be told to lie: its leaves are whatever the test says. */
function makeLog(origin = ORIGIN, seed = 7) {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const der = Buffer.concat([prefix, Buffer.alloc(32, seed)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const publicKey = new Uint8Array(
    createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32),
  );
  const checkpoint = (leaves: string) => {
    const text = checkpointText({
      origin,
      size: BigInt(leaves.length),
      root: treeRoot(BigInt(leaves.length), node(leaves)),
    });
    const keyId = noteKeyId(origin, NOTE_TYPE_ED25519, publicKey);
    return formatNote({
      text,
      signatures: [{ keyName: origin, keyId, signature: sign(null, utf8(text), key) }],
    });
  };
  const submission = (oldSize: number, leaves: string) =>
    formatAddCheckpoint({
      oldSize: BigInt(oldSize),
      proof:
        oldSize <= leaves.length
          ? consistencyProof(BigInt(oldSize), BigInt(leaves.length), node(leaves))
          : [],
      checkpoint: checkpoint(leaves),
    });
  return { name: origin, publicKey, checkpoint, submission };
}

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "witness-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(folder = newFolder(), events: WitnessEvent[] = []) {
  const log = makeLog();
  const key = await openWitnessKey(join(folder, "key"), "witness.example/w1");
  const witness = await startWitness({
    key,
    logs: [{ name: log.name, publicKey: log.publicKey }],
    stateDirectory: folder,
    port: 0,
    onEvent: (event) => events.push(event),
  });
  cleanups.push(() => witness.close());
  const post = (body: string) => fetch(`${witness.url}/add-checkpoint`, { method: "POST", body });
  return { log, witness, post, folder, events };
}

function cosignedBy(witness: RunningWitness, checkpoint: string, lines: string) {
  const key = parseVerifierKey(witness.verifierKey, NOTE_TYPE_COSIGNATURE);
  return verifyCosignatures(parseNote(checkpoint + lines), [key]);
}

describe("a witness", () => {
  test("cosigns a log as it grows", async () => {
    const { log, witness, post } = await start();
    let old = 0;
    for (const leaves of ["", "a", "abc", "abc", "abcdefghijk"]) {
      const response = await post(log.submission(old, leaves));
      expect(response.status, await response.clone().text()).toBe(200);
      const [cosignature] = cosignedBy(witness, log.checkpoint(leaves), await response.text());
      expect(Number(cosignature!.timestampSeconds)).toBeGreaterThan(Date.now() / 1000 - 60);
      old = leaves.length;
    }
    const held = await fetch(`${witness.url}/checkpoint/${toHex(sha256(utf8(ORIGIN)))}`);
    expect(await held.text()).toBe(log.checkpoint("abcdefghijk"));
  });

  test("tells the size it holds to whoever starts elsewhere", async () => {
    const { log, post } = await start();
    await post(log.submission(0, "abcd"));
    const response = await post(log.submission(2, "abcdef"));
    expect(response.status).toBe(409);
    expect(response.headers.get("content-type")).toBe("text/x.tlog.size");
    expect(await response.text()).toBe("4\n");
  });

  test("refuses a fork and a rollback, also after a restart, and keeps the evidence", async () => {
    const events: WitnessEvent[] = [];
    const { log, post, folder, witness } = await start(undefined, events);
    expect((await post(log.submission(0, "abcd"))).status).toBe(200);
    await witness.close();
    const again = await start(folder, events);
    const fork = await again.post(log.submission(4, "abXd"));
    expect(fork.status).toBe(409);
    const branch = await again.post(log.submission(4, "abXdef"));
    expect(branch.status).toBe(422);
    expect(await branch.text()).toContain("does not lead from the checkpoint cosigned last");
    const rollback = await again.post(log.submission(4, "abc"));
    expect(rollback.status).toBe(400);
    expect(await rollback.text()).toContain("does not shrink");
    expect((await again.post(log.submission(3, "abc"))).status).toBe(409);
    expect(events.map(({ reason }) => reason)).toEqual([
      undefined,
      "fork",
      "inconsistent",
      "malformed",
      "old_size",
    ]);
    expect((await again.post(log.submission(4, "abcde"))).status).toBe(200);
    const state = join(folder, toHex(sha256(utf8(ORIGIN))));
    expect(readdirSync(state).filter((name) => name.endsWith(".evidence"))).toHaveLength(2);
    expect(readdirSync(state).filter((name) => name.endsWith(".checkpoint"))).toHaveLength(1);
  });

  test("answers for its own logs alone, and only what their key signed", async () => {
    const { log, post, witness } = await start();
    expect((await post(makeLog("other.example").submission(0, "a"))).status).toBe(404);
    expect((await post(makeLog(ORIGIN, 8).submission(0, "a"))).status).toBe(403);
    const genuine = log.submission(0, "ab");
    for (const broken of [
      "",
      "old 0",
      genuine.replace("old 0", "old 00"),
      genuine.replace("old 0", "old -1"),
      genuine.replace("old 0\n", "old 0\nAAAA\n"),
      genuine.replace("old 0\n", `old 0\n${`${"A".repeat(43)}=\n`.repeat(64)}`),
      genuine.slice(0, -1),
    ])
      expect((await post(broken)).status).toBe(400);
    const withProof = genuine.replace("old 0\n", `old 0\n${"A".repeat(43)}=\n`);
    expect((await post(withProof)).status).toBe(422);
    expect((await post("x".repeat(400_000))).status).toBe(413);
    expect((await fetch(`${witness.url}/add-checkpoint`)).status).toBe(405);
    expect((await fetch(`${witness.url}/checkpoint/${"0".repeat(64)}`)).status).toBe(404);
  });

  test("cosigns one branch where two are raced", async () => {
    const { log, post } = await start();
    await post(log.submission(0, "abcd"));
    const answers = await Promise.all(
      ["1", "2", "3", "4", "5"].map((leaf) => post(log.submission(4, `abcd${leaf}`))),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
  });
});

describe("state", () => {
  test("goes on in one process only", async () => {
    const folder = newFolder();
    const log = makeLog();
    const [one, two] = [await LogState.open(folder, ORIGIN), await LogState.open(folder, ORIGIN)];
    expect(await one.advance(undefined, log.checkpoint("a"))).toBe(true);
    expect(await two.advance(undefined, log.checkpoint("b"))).toBe(false);
    expect(await two.advance(1n, log.checkpoint("ab"))).toBe(true);
    expect(await two.advance(2n, log.checkpoint("abc"))).toBe(true);
    // The file that `one` would write is gone by now, but what is held has gone on.
    expect(await one.advance(1n, log.checkpoint("aX"))).toBe(false);
    expect((await one.held())?.size).toBe(3n);
  });

  test("a damaged one stops the witness", async () => {
    const { log, post, folder, witness } = await start();
    await post(log.submission(0, "abcd"));
    await witness.close();
    const state = join(folder, toHex(sha256(utf8(ORIGIN))));
    writeFileSync(join(state, "00000000000000000009.checkpoint"), "nothing");
    await expect(start(folder)).rejects.toMatchObject({ code: "state_invalid" });
  });
});

describe("key file", () => {
  test("is private, and the same at every start", async () => {
    const folder = newFolder();
    const path = join(folder, "key");
    const first = await openWitnessKey(path, "witness.example/w1");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await openWitnessKey(path, "another")).verifierKey).toBe(first.verifierKey);
    chmodSync(path, 0o644);
    await expect(openWitnessKey(path, "x")).rejects.toMatchObject({ code: "key_file_unsafe" });
    chmodSync(path, 0o600);
    for (const text of ["", "PRIVATE+KEY+a+00000000+AAAA\n", "x".repeat(2000)]) {
      writeFileSync(path, text);
      await expect(openWitnessKey(path, "x")).rejects.toMatchObject({ code: "key_file_invalid" });
    }
  });
});
