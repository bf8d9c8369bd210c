import { beforeAll, describe, expect, test } from "vitest";
import { sha256, utf8 } from "../../codec/index.ts";
import {
  checkpointText,
  encodeEntryBundle,
  leafData,
  leafHash,
  nodeHash,
  parseKeyset,
  parseNote,
  statementDigest,
  inclusionProof,
  MAX_REVOCATIONS,
  revocationsToJson,
  treeRoot,
  type Revocation,
  type RevocationStatement,
} from "../../receipts/index.ts";
import { createIssuer, ORIGIN, type Issuer } from "../../test/receipt-fixture.ts";
import { witnessKey } from "../witness/index.ts";
import type { LogSource } from "./source.ts";
import { monitorRound } from "./monitor.ts";
import { newState, stateFromJson, stateToJson, type MonitorState } from "./state.ts";

let issuer: Issuer;
beforeAll(async () => {
  issuer = await createIssuer();
});

/** A log whose operator can do anything: serve, sign and forget what he likes. */
class OperatorsLog implements LogSource {
  leaves: Uint8Array[] = [keysetLeaf()];
  listed: Revocation[] = [];
  documents = new Map([["keyset", utf8(issuer.record.keyset)]]);
  served: {
    checkpoint?: string;
    tile?: (level: number | "entries", index: bigint) => Uint8Array | undefined;
  } = {};

  #node = (level: number, index: bigint): Uint8Array =>
    level === 0
      ? leafHash(this.leaves[Number(index)]!)
      : nodeHash(this.#node(level - 1, 2n * index), this.#node(level - 1, 2n * index + 1n));

  signed(size = this.leaves.length): string {
    return issuer.note(
      checkpointText({ origin: ORIGIN, size: BigInt(size), root: treeRoot(BigInt(size), this.#node) }),
    );
  }

  async checkpoint() {
    return this.served.checkpoint ?? this.signed();
  }
  async tile({ level, index, width }: { level: number | "entries"; index: bigint; width: number }) {
    const own = this.served.tile?.(level, index);
    if (own) return own;
    const first = Number(index) * 256;
    if (level === "entries") return encodeEntryBundle(this.leaves.slice(first, first + width));
    const hashes = Array.from({ length: width }, (_, i) => this.#node(8 * level, index * 256n + BigInt(i)));
    return Buffer.concat(hashes);
  }
  async document() {
    return this.documents.get("keyset")!;
  }
  async attestation() {
    return "";
  }
  async revocations() {
    return JSON.stringify(revocationsToJson(this.listed));
  }

  /** Appends a revocation, and lists it where the operator is honest. */
  revoke(i: number, { list = true } = {}): Revocation {
    const { statement, signature } = revocationOf(i);
    const leafIndex = BigInt(this.leaves.length);
    this.leaves.push(
      leafData("Revocation", statementDigest("Revocation", statement), issuer.digest, signature),
    );
    const size = leafIndex + 1n;
    const proof = inclusionProof(leafIndex, size, this.#node);
    const log = { origin: ORIGIN, leafIndex, proof, checkpoint: this.signed() };
    const revocation = { statement, signature, keyset: issuer.record.keyset, log };
    if (list) this.listed.push(revocation);
    return revocation;
  }
}

function keysetLeaf(): Uint8Array {
  const { statement, signature } = issuer.record.keysetStatement;
  return leafData("Keyset", statementDigest("Keyset", statement), issuer.digest, signature);
}

/** A leaf as the vault signs them; which type it is of matters to nobody here, as long as it is no revocation. */
function leaf(i: number): Uint8Array {
  const statement = { documentDigest: sha256(utf8(`leaf ${i}`)), issuedAtMs: 1n };
  const digest = statementDigest("PolicyChange", statement);
  return leafData("PolicyChange", digest, issuer.digest, issuer.sign("PolicyChange", statement));
}

function revocationOf(i: number): Pick<Revocation, "statement" | "signature"> {
  const statement: RevocationStatement = {
    kind: 2,
    subject: sha256(utf8(`model ${i}`)),
    fromIndex: BigInt(i),
    issuedAtMs: 1n,
  };
  return { statement, signature: issuer.sign("Revocation", statement) };
}

function start(): MonitorState {
  return newState({ name: ORIGIN, publicKey: parseKeyset(issuer.record.keyset).log.publicKey });
}

function grow(log: OperatorsLog, to: number): void {
  while (log.leaves.length < to) log.leaves.push(leaf(log.leaves.length));
}

async function alarmOf(log: LogSource, state: MonitorState, options = {}): Promise<string> {
  try {
    await monitorRound(log, state, options);
    return "none";
  } catch (error) {
    expect(error).toMatchObject({ name: "LogAlarm" });
    return (error as { code: string }).code;
  }
}

/** What is said of a log whose fourth leaf was changed before it was signed. */
async function alarmOfLeaf(change: (leaf: Uint8Array) => Uint8Array): Promise<string> {
  const log = new OperatorsLog();
  grow(log, 4);
  log.leaves[3] = change(log.leaves[3]!.slice());
  return await alarmOf(log, start());
}

describe("a monitor", () => {
  test("follows an honest log, also over a restart, and reads each leaf once", async () => {
    const log = new OperatorsLog();
    let state = start();
    for (const size of [1, 2, 5, 255, 256, 257, 530]) {
      grow(log, size);
      const before = state.range.size;
      const round = await monitorRound(log, state);
      expect(round.added).toBe(BigInt(size) - before);
      expect(round.size).toBe(BigInt(size));
      state = stateFromJson(stateToJson(round.state));
    }
    expect((await monitorRound(log, state)).added).toBe(0n);
    expect(state.keysets.size).toBe(1);
  }, 60_000);

  test("is told nothing by a shorter log", async () => {
    const log = new OperatorsLog();
    grow(log, 9);
    const { state } = await monitorRound(log, start());
    log.served.checkpoint = log.signed(8);
    await expect(monitorRound(log, state)).rejects.toMatchObject({
      code: "rollback",
      message: "the log shrank from 9 leaves to 8",
      evidence: [state.checkpoint, log.served.checkpoint],
    });
  });

  test("notices another past, of the same size and of a larger one", async () => {
    const log = new OperatorsLog();
    grow(log, 9);
    const { state } = await monitorRound(log, start());
    log.leaves[4] = leaf(1000);
    expect(await alarmOf(log, state)).toBe("fork");
    grow(log, 12);
    await expect(monitorRound(log, state)).rejects.toMatchObject({
      code: "fork",
      evidence: [state.checkpoint, log.signed()],
    });
    grow(log, 300);
    expect(await alarmOf(log, state)).toMatch(/fork|tile_mismatch/);
    // Who never saw the log before cannot tell.
    expect(await alarmOf(log, start())).toBe("none");
  });

  test("notices leaves that are not the signed ones", async () => {
    const log = new OperatorsLog();
    grow(log, 9);
    const other = new OperatorsLog();
    grow(other, 9);
    other.leaves[4] = leaf(1000);
    log.served.checkpoint = other.signed();
    expect(await alarmOf(log, start())).toBe("fork");
    delete log.served.checkpoint;
    log.served.tile = (level) => (level === "entries" ? encodeEntryBundle(other.leaves) : undefined);
    expect(await alarmOf(log, start())).toBe("tile_mismatch");
  });

  test("notices an upper tile that is not of the leaves", async () => {
    const log = new OperatorsLog();
    grow(log, 260);
    log.served.tile = (level) => (level === 1 ? new Uint8Array(32) : undefined);
    await expect(monitorRound(log, start())).rejects.toMatchObject({
      code: "tile_mismatch",
      message: "tile 1/0 is not what its leaves give",
    });
  });

  test("notices bad leaves", async () => {
    const set = (offset: number, value: number) =>
      alarmOfLeaf((data) => {
        data[offset] = value;
        return data;
      });
    expect(await set(0, 2)).toBe("leaf_invalid");
    expect(await set(1, 99)).toBe("leaf_invalid");
    expect(await alarmOfLeaf((data) => data.subarray(0, 130))).toBe("leaf_invalid");
    expect(await set(40, 0)).toBe("keyset_not_logged");
    expect(await set(130, 31)).toBe("leaf_signature_invalid");
    expect(
      await alarmOfLeaf((data) => leafData("Revocation", sha256(data), issuer.digest, data.slice(66))),
    ).toBe("leaf_signature_invalid");
  });

  test("notices a keyset that is used before it is logged, and one that is not what it says", async () => {
    const log = new OperatorsLog();
    log.leaves = [leaf(1), keysetLeaf()];
    await expect(monitorRound(log, start())).rejects.toMatchObject({
      code: "keyset_not_logged",
      leafIndex: 0n,
    });
    const other = new OperatorsLog();
    other.documents.set("keyset", utf8(`${issuer.record.keyset} `));
    expect(await alarmOf(other, start())).toBe("keyset_invalid");
  });

  test("notices a checkpoint of another key or log", async () => {
    const log = new OperatorsLog();
    const stranger = { name: ORIGIN, publicKey: new Uint8Array(32).fill(1) };
    expect(await alarmOf(log, newState(stranger))).toBe("checkpoint_invalid");
    const { publicKey } = start().log;
    expect(await alarmOf(log, newState({ name: "other.example", publicKey }))).toBe("checkpoint_invalid");
  });

  test("compares the list of revocations with the leaves, those that an earlier round read among them", async () => {
    const log = new OperatorsLog();
    grow(log, 3);
    log.revoke(1);
    grow(log, 6);
    let { state } = await monitorRound(log, start());
    state = stateFromJson(stateToJson(state));
    expect([...state.revocations.keys()]).toEqual([3n]);
    log.revoke(2);
    state = (await monitorRound(log, state)).state;
    log.listed.shift();
    await expect(monitorRound(log, stateFromJson(stateToJson(state)))).rejects.toMatchObject({
      code: "revocation_unlisted",
      leafIndex: 3n,
      evidence: [log.signed()],
    });
    log.listed = [];
    expect(await alarmOf(log, start())).toBe("revocation_unlisted");
  });

  test("notices a listed revocation that is no leaf", async () => {
    const log = new OperatorsLog();
    grow(log, 5);
    const other = new OperatorsLog();
    grow(other, 3);
    log.listed = [other.revoke(1)];
    await expect(monitorRound(log, start())).rejects.toMatchObject({
      code: "revocation_not_logged",
      leafIndex: 3n,
      evidence: [other.signed(), log.signed()],
    });
    const moved = new OperatorsLog();
    const { log: place } = moved.revoke(1);
    grow(moved, 4);
    moved.listed[0]!.log = { ...place, leafIndex: 2n };
    expect(await alarmOf(moved, start())).toBe("revocation_not_logged");
  });

  test("holds the service to a revocation that was listed before its leaf could be read", async () => {
    const log = new OperatorsLog();
    grow(log, 3);
    const earlier = log.signed();
    log.revoke(1);
    log.served.checkpoint = earlier;
    const { state } = await monitorRound(log, start());
    expect([...state.listed.keys()]).toEqual([3n]);
    const restored = stateFromJson(stateToJson(state));
    delete log.served.checkpoint;
    expect((await monitorRound(log, restored)).state.listed.size).toBe(0);
    log.leaves[3] = leaf(3);
    expect(await alarmOf(log, restored)).toBe("revocation_not_logged");
    log.listed = [];
    expect(await alarmOf(log, restored)).toBe("revocation_unlisted");
    log.served.checkpoint = earlier;
    expect(await alarmOf(log, restored)).toBe("revocation_unlisted");
  });

  test("takes no list that is malformed, unsigned or unproven", async () => {
    const log = new OperatorsLog();
    const honest = log.revoke(1);
    for (const text of ["", "{}", "null", '{"formatVersion":1,"revocations":[7]}'])
      expect(
        await alarmOf(Object.assign(new OperatorsLog(), { revocations: async () => text }), start()),
      ).toBe("revocations_invalid");
    const checkpoint = new OperatorsLog().signed();
    log.listed = [{ ...honest, log: { ...honest.log, checkpoint } }];
    expect(await alarmOf(log, start())).toBe("revocations_invalid");
    const ahead = { ...honest.log, leafIndex: 7n };
    log.listed = [honest, { ...honest, log: ahead }];
    expect(await alarmOf(log, start())).toBe("revocations_invalid");
    log.listed = [{ ...honest, statement: { ...honest.statement, fromIndex: 9n } }];
    expect(await alarmOf(log, start())).toBe("revocation_not_logged");
  });

  test("notices more revocations than a list may hold", async () => {
    const log = new OperatorsLog();
    const { leaves } = log;
    log.revoke(1, { list: false });
    while (leaves.length <= MAX_REVOCATIONS + 1) leaves.push(leaves[1]!);
    await expect(monitorRound(log, start())).rejects.toMatchObject({
      code: "revocation_unlisted",
      leafIndex: BigInt(MAX_REVOCATIONS + 1),
    });
  }, 60_000);

  test("can want log witnesses", async () => {
    const log = new OperatorsLog();
    const key = witnessKey("witness.example/w1", new Uint8Array(32).fill(1));
    const [name = "", , encoded = ""] = key.verifierKey.split("+");
    const publicKey = new Uint8Array(Buffer.from(encoded, "base64").subarray(1));
    const witnesses = { keys: [{ name, publicKey }], require: 1 };
    expect(await alarmOf(log, start(), { witnesses })).toBe("cosignatures_missing");
    log.served.checkpoint = log.signed() + key.cosign(parseNote(log.signed()).text, 1n);
    expect(await alarmOf(log, start(), { witnesses })).toBe("none");
  });
});

test.each(["", "{}", "[]", "null", '{"formatVersion":1}', "x"])("the state %j is none", (text) => {
  expect(() => stateFromJson(text)).toThrow(expect.objectContaining({ code: "state_invalid" }));
});
