/** A thief has the whole data directory and the service's program, and a vault of his own making. */
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { sha256, toHex, utf8 } from "../codec/index.ts";
import { decodeStatement, parseCheckpoint, parseReceiptHeader, verifyCheckpoint } from "../receipts/index.ts";
import { openRecord } from "../service/sealed-record.ts";
import { readClusterKeys } from "../vault/cluster-secrets.test-support.ts";
import { storageSecrets } from "../vault/host/derive.ts";
import { ed25519FromSeed } from "../vault/host/ed25519.ts";
import type { Vault } from "../vault/index.ts";
import { install, signOne, start } from "../vault/vault.test-support.ts";
import { temporaryDirectory } from "./folder.ts";
import { infer, smallCall, type Answer } from "./service-load.ts";
import { startService } from "./service-process.ts";
import { openStore } from "./service-store.ts";

interface Stolen {
  forms: { digest: Buffer; sealed_extra: Buffer }[];
  replays: { tenant_id: string; account_id: string; key_hash: Buffer; tag: Buffer; ciphertext: Buffer }[];
  notes: string[];
}

const folder = temporaryDirectory();
const call = { ...smallCall("digits"), idempotencyKey: randomUUID() };
let apiKey: string;
let answer: Answer;
let stolen: Stolen;
let thief: Vault;
let logPublicKey: Uint8Array;
/** Of the service's own vault. */
let recordKeyOf: (context: Uint8Array) => Uint8Array;

beforeAll(async () => {
  const service = await startService({ directory: folder.path });
  apiKey = service.apiKey;
  answer = await infer(service, call);
  const store = openStore(folder.path);
  const forms = await store.query(
    "SELECT digest, sealed_extra FROM statements WHERE sealed_extra IS NOT NULL",
  );
  const replays = await store.query(
    "SELECT tenant_id, account_id, key_hash, tag, ciphertext FROM idempotency WHERE ciphertext IS NOT NULL",
  );
  const notes = await store.query<{ note: string }>("SELECT note FROM checkpoints");
  stolen = { forms: forms.rows, replays: replays.rows, notes: notes.rows.map(({ note }) => note) };
  await store.end();
  await service.stop();
  const keys = readClusterKeys(join(folder.path, "vault"));
  logPublicKey = ed25519FromSeed(keys.logSeed).publicKey;
  recordKeyOf = storageSecrets(keys.storageKey).recordKey;
  // The key directory is not in the data directory, and was not stolen.
  rmSync(join(folder.path, "vault"), { recursive: true });
  thief = await start();
});
afterAll(() => {
  folder.remove();
});

async function published(url: string): Promise<string> {
  return await (await fetch(`${url}/log/checkpoint`)).text();
}

describe("with a stolen database", () => {
  it("a service with other keys does not start by accident", async () => {
    await expect(startService({ directory: folder.path })).rejects.toThrow(
      /does not hold the key that signed this database's log[^]*\[setting_invalid\]/,
    );
  }, 60_000);

  it("a service with other keys replays no answer, not to the caller's own key, and goes on with no log of ours", async () => {
    const service = await startService({
      directory: folder.path,
      environment: { AFFIDAVIT_CHECKPOINT_INTERVAL_MS: "200", AFFIDAVIT_ACCEPT_NEW_LOG_KEY: "true" },
    });
    try {
      expect(service.output()).toContain("the database's log was signed by another key");
      const replayed = await infer({ url: service.url, apiKey }, call);
      expect([replayed.status, replayed.code]).toEqual([422, "idempotency_conflict"]);
      expect((await infer({ url: service.url, apiKey }, smallCall("digits"))).status).toBe(200);
      const { origin } = parseCheckpoint(stolen.notes[0]!);
      const log = { name: origin, publicKey: logPublicKey };
      for (const note of stolen.notes) expect(() => verifyCheckpoint(note, log)).not.toThrow();
      await vi.waitFor(
        async () => {
          const note = await published(service.url);
          expect(() => verifyCheckpoint(note, log)).toThrow("no signature by this key");
        },
        { timeout: 15_000 },
      );
    } finally {
      await service.stop();
    }
  }, 60_000);

  it("no stored form of a receipt opens", async () => {
    expect(stolen.forms.length).toBeGreaterThan(0);
    for (const { digest, sealed_extra: sealed } of stolen.forms) {
      await expect(thief.openProjections(digest, sealed)).rejects.toMatchObject({
        code: "record_unreadable",
      });
    }
  });

  it("no kept answer opens, which the service's own vault opens", async () => {
    expect(stolen.replays).toHaveLength(1);
    const { tenant_id: tenant, account_id: account, key_hash: keyHash, tag, ciphertext } = stolen.replays[0]!;
    const owner = sha256(utf8(`${tenant}/${account}`));
    const context = sha256(utf8("affidavit.v1.replay"), owner, keyHash, tag);
    expect(openRecord(await thief.recordKey(context), context, ciphertext)).toBeUndefined();
    expect(openRecord(recordKeyOf(context), context, ciphertext)).toBeDefined();
  });

  it("no statement is signed under its keyset, and no checkpoint of its log is gone on from", async () => {
    const { words } = parseReceiptHeader(answer.headers.get("affidavit-receipt")!);
    const { keysetDigest } = decodeStatement("InferenceStatement", words);
    await install(thief, "localhost/affidavit");
    const theirs = await signOne(thief);
    expect(toHex(theirs.keysetDigest)).not.toBe(toHex(keysetDigest));
    expect(stolen.notes.length).toBeGreaterThan(0);
    for (const note of stolen.notes) {
      await expect(thief.adoptCheckpoint(note)).rejects.toMatchObject({ code: "checkpoint_foreign" });
    }
  });
});
