import { beforeEach, describe, expect, it } from "vitest";
import { toHex, utf8 } from "../../codec/index.ts";
import {
  consistencyProof,
  EMPTY_ROOT,
  leafHash,
  nodeHash,
  recoverSigner,
  statementDigest,
  treeRoot,
  verifyCheckpoint,
  type NodeGetter,
} from "../../receipts/index.ts";
import type { CheckpointState } from "./checkpoint-state.ts";
import { Checkpoints } from "./checkpoints.ts";
import { ed25519FromSeed } from "./ed25519.ts";
import { Keysets } from "./keysets.ts";
import { createSigner } from "./signer.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const NOW_MS = 1_800_000_000_000;
const signer = createSigner();
const logKey = ed25519FromSeed(new Uint8Array(32).fill(3));

/** A tree whose leaves are numbers; `salt` makes another history. */
function treeOf(salt: number): NodeGetter {
  const node: NodeGetter = (level, index) =>
    level === 0
      ? leafHash(utf8(`${salt} ${index}`))
      : nodeHash(node(level - 1, 2n * index), node(level - 1, 2n * index + 1n));
  return node;
}

const tree = treeOf(0);
const request = (from: bigint, size: bigint, node = tree) => ({
  size,
  root: treeRoot(size, node),
  previousSize: from,
  consistencyProof: consistencyProof(from, size, node),
});
const first = { size: 0n, root: EMPTY_ROOT, previousSize: null, consistencyProof: [] };

let saved: CheckpointState[];
let failSave: boolean;
let keysets: Keysets;

function install(logOrigin: string): void {
  keysets.install({ subject: null, notAfterSeconds: 1_800_001_000n, logOrigin, tlsKeys: [] }, NOW_MS);
}

async function save(state: CheckpointState): Promise<void> {
  if (failSave) throw new Error("disk full");
  saved.push(state);
}

const sealingKeys = () => [{ epoch: 1, publicKey: new Uint8Array(32).fill(9) }];

function start(last: CheckpointState["last"] = null): Checkpoints {
  const parts = { signer, logKey, keysets, nowMs: () => NOW_MS, save };
  return new Checkpoints(parts, { logPublicKey: logKey.publicKey, last });
}

beforeEach(() => {
  saved = [];
  failSave = false;
  const attester = { type: "tdx", name: "simulated", simulated: true } as const;
  keysets = new Keysets({
    signer,
    air: logKey,
    aci: logKey,
    logKey,
    sealingKeys,
    fhePublicKeyDigests: [],
    attester,
    gpuAttester: null,
  });
  install("log.example/1");
});

describe("Checkpoints", () => {
  it("signs note and EIP-712 form of every extension, saved before release", async () => {
    const checkpoints = start();
    expect(checkpoints.last()).toBe(null);
    await checkpoints.sign(first);
    let from = 0n;
    for (const size of [1n, 2n, 3n, 8n, 13n, 64n]) {
      const { note, eip712 } = await checkpoints.sign(request(from, size));
      expect(saved.at(-1)!.last!.size).toBe(size);
      const checked = verifyCheckpoint(note, { name: "log.example/1", publicKey: logKey.publicKey });
      expect([checked.size, toHex(checked.root)]).toEqual([size, toHex(treeRoot(size, tree))]);
      expect(eip712).toMatchObject({ origin: "log.example/1", size, timeMs: BigInt(NOW_MS) });
      expect(eip712.digest).toEqual(statementDigest("Checkpoint", eip712));
      expect(recoverSigner(eip712.digest, eip712.signature)).toEqual(signer.address);
      from = size;
    }
    expect(checkpoints.last()).toEqual({ size: 64n, root: treeRoot(64n, tree) });
  });

  it("signs size 0 first, of the empty tree", async () => {
    for (const wrong of [request(0n, 1n), { ...first, root: new Uint8Array(32) }]) {
      await expect(start().sign(wrong)).rejects.toThrow(refusal("first_checkpoint_must_be_empty"));
    }
    expect(saved).toEqual([]);
  });

  it("signs the same head again without another write, and no other of that size", async () => {
    const checkpoints = start();
    await checkpoints.sign(first);
    await checkpoints.sign(request(0n, 5n));
    await checkpoints.sign(request(5n, 5n));
    expect(saved.length).toBe(2);
    await expect(checkpoints.sign(request(5n, 5n, treeOf(1)))).rejects.toThrow(refusal("checkpoint_fork"));
  });

  it("refuses a smaller tree, another history and a proof from elsewhere, and stays where it was", async () => {
    const checkpoints = start();
    await checkpoints.sign(first);
    await checkpoints.sign(request(0n, 6n));
    const fork = treeOf(1);
    const refusals = [
      [request(4n, 5n), "checkpoint_rollback"],
      [first, "checkpoint_rollback"],
      [request(5n, 9n), "checkpoint_previous_mismatch"],
      [{ ...request(5n, 9n), previousSize: null }, "checkpoint_fork"],
      [request(6n, 9n, fork), "checkpoint_fork"],
      [{ ...request(6n, 9n), consistencyProof: [] }, "checkpoint_fork"],
      [{ ...request(6n, 9n), root: treeRoot(9n, fork) }, "checkpoint_fork"],
      [{ ...request(6n, 9n), size: 2n ** 63n }, "checkpoint_fork"],
    ] as const;
    for (const [wrong, code] of refusals) {
      await expect(checkpoints.sign(wrong)).rejects.toThrow(refusal(code));
    }
    await checkpoints.sign(request(6n, 9n));
  });

  it("goes on from what was saved", async () => {
    await start().sign(first);
    const before = start(saved.at(-1)!.last);
    await before.sign(request(0n, 7n));
    const after = start(saved.at(-1)!.last);
    await expect(after.sign(request(0n, 3n))).rejects.toThrow(refusal("checkpoint_rollback"));
    await after.sign(request(7n, 11n));
  });

  it("releases nothing that it could not save", async () => {
    const checkpoints = start();
    await checkpoints.sign(first);
    failSave = true;
    await expect(checkpoints.sign(request(0n, 4n))).rejects.toThrow("disk full");
    expect(checkpoints.last()!.size).toBe(0n);
    failSave = false;
    await checkpoints.sign(request(0n, 4n));
  });

  it("judges concurrent requests one after another", async () => {
    const checkpoints = start();
    await checkpoints.sign(first);
    const results = await Promise.allSettled([
      checkpoints.sign(request(0n, 4n)),
      checkpoints.sign(request(0n, 4n, treeOf(1))),
      checkpoints.sign(request(0n, 2n)),
      checkpoints.sign(request(4n, 6n)),
    ]);
    expect(results.map((result) => result.status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
      "fulfilled",
    ]);
  });

  it("is bound to one origin and to a keyset that is in time", async () => {
    const checkpoints = start();
    await checkpoints.sign(first);
    install("log.example/2");
    await expect(checkpoints.sign(request(0n, 4n))).rejects.toThrow(refusal("origin_mismatch"));
    const attester = { type: "tdx", name: "simulated", simulated: true } as const;
    keysets = new Keysets({
      signer,
      air: logKey,
      aci: logKey,
      logKey,
      sealingKeys,
      fhePublicKeyDigests: [],
      attester,
      gpuAttester: null,
    });
    await expect(start().sign(first)).rejects.toThrow(refusal("keyset_missing"));
  });
});

describe("Keysets", () => {
  const parameters = { subject: "a", notAfterSeconds: 1_800_000_010n, logOrigin: "log.example", tlsKeys: [] };

  it("ends after its time", () => {
    keysets.install(parameters, NOW_MS);
    expect(keysets.current(NOW_MS + 10_000).text).toContain('"subject":"a"');
    expect(() => keysets.current(NOW_MS + 10_001)).toThrow(refusal("keyset_expired"));
  });

  it.each([
    ["an end in the past", { notAfterSeconds: 1_800_000_000n }],
    ["an end beyond a year", { notAfterSeconds: 1_800_000_000n + 366n * 86_400n + 1n }],
    ["an empty origin", { logOrigin: "" }],
    ["an origin that no note can name", { logOrigin: "log example" }],
    ["a subject with a control character", { subject: "a\nb" }],
    ["a TLS name with a control character", { tlsKeys: [{ spkiSha256: EMPTY_ROOT, domain: "\u0000" }] }],
  ])("refuses %s and keeps the one before", (_name, change) => {
    const before = keysets.current(NOW_MS).digest;
    expect(() => keysets.install({ ...parameters, ...change }, NOW_MS)).toThrow(refusal("keyset_invalid"));
    expect(keysets.current(NOW_MS).digest).toEqual(before);
  });

  it("remembers the last 64 quotes of its own", () => {
    const keyset = keysets.current(NOW_MS);
    const digests = Array.from({ length: 70 }, (_, i) => new Uint8Array(32).fill(i));
    for (const digest of digests) keyset.rememberQuote(digest, { digest, measurements: null });
    digests.forEach((digest, i) => {
      if (i < 6) expect(() => keyset.attest(digest)).toThrow(refusal("evidence_unknown"));
      else keyset.attest(digest);
    });
    expect(keyset.attested?.digest).toEqual(digests[69]);
  });

  it("knows a keyset again that was replaced, and nothing of its evidence in another", () => {
    keysets.install(parameters, NOW_MS);
    const keyset = keysets.current(NOW_MS);
    const digest = new Uint8Array(32).fill(1);
    keyset.rememberQuote(digest, { digest, measurements: null });
    keyset.attest(digest);
    keysets.install({ ...parameters, subject: "another" }, NOW_MS);
    expect(keysets.current(NOW_MS).attested).toBeUndefined();
    expect(() => keysets.current(NOW_MS).attest(digest)).toThrow(refusal("evidence_unknown"));
    keysets.install(parameters, NOW_MS);
    expect(keysets.current(NOW_MS).attested?.digest).toEqual(digest);
  });
});

/** What the log key signed in another life of the vault. */
async function noteOf(size: bigint, node = tree, origin = "log.example/1"): Promise<string> {
  install(origin);
  const other = start();
  await other.sign(first);
  const { note } = size === 0n ? await other.sign(first) : await other.sign(request(0n, size, node));
  install("log.example/1");
  saved = [];
  return note;
}

describe("a checkpoint that a log witness kept", () => {
  it("moves the vault forward, on disk, and a database from before it is refused", async () => {
    const note = await noteOf(9n);
    const checkpoints = start();
    await checkpoints.sign(first);
    await checkpoints.sign(request(0n, 4n));
    expect(await checkpoints.adopt(note)).toEqual({ size: 9n, root: treeRoot(9n, tree) });
    expect(saved.at(-1)!.last!.size).toBe(9n);
    await expect(checkpoints.sign(request(4n, 6n))).rejects.toEqual(refusal("checkpoint_rollback"));
    await expect(checkpoints.sign(request(9n, 12n, treeOf(1)))).rejects.toEqual(refusal("checkpoint_fork"));
    await checkpoints.sign(request(9n, 12n));
  });

  it("never moves it back", async () => {
    const note = await noteOf(3n);
    const checkpoints = start();
    await checkpoints.sign(first);
    await checkpoints.sign(request(0n, 4n));
    const before = saved.length;
    expect((await checkpoints.adopt(note)).size).toBe(4n);
    expect(saved.length).toBe(before);
    await checkpoints.sign(request(4n, 5n));
  });

  it("is refused where it shows a fork, another key or another origin, and where it cannot be saved", async () => {
    const fork = await noteOf(4n, treeOf(1));
    const elsewhere = await noteOf(9n, tree, "log.example/2");
    const note = await noteOf(9n);
    const checkpoints = start();
    await checkpoints.sign(first);
    await checkpoints.sign(request(0n, 4n));
    await expect(checkpoints.adopt(fork)).rejects.toEqual(refusal("checkpoint_fork"));
    await expect(checkpoints.adopt(elsewhere)).rejects.toEqual(refusal("origin_mismatch"));
    for (const foreign of ["", "x", note.replace("\n9\n", "\n8\n"), note.slice(0, -1)])
      await expect(checkpoints.adopt(foreign)).rejects.toEqual(refusal("checkpoint_foreign"));
    failSave = true;
    await expect(checkpoints.adopt(note)).rejects.toThrow("disk full");
    expect(checkpoints.last()!.size).toBe(4n);
  });
});
