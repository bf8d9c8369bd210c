import { beforeEach, describe, expect, it } from "vitest";
import { createSimulatedAttester } from "../../attestation/attest/index.ts";
import { parsePolicy, SIMULATED_POLICY } from "../../attestation/index.ts";
import { jcs, sha256, utf8 } from "../../codec/index.ts";
import { receiverReportData } from "../../receipts/index.ts";
import { KeyPassing } from "./key-passing.ts";
import { requirePeer, sameImagePolicy } from "./peers.ts";
import { x25519FromPrivateKey } from "./x25519.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const attester = createSimulatedAttester();
const receiver = x25519FromPrivateKey(new Uint8Array(32).fill(4));
const receiverNonce = sha256(utf8("receiver"));
const START_MS = Date.parse("2026-08-15T10:30:00Z");
const payload = utf8("the cluster's keys");
let nowMs: number;
let endorsements: string;
let given: Uint8Array[];

function passing(simulated = true): KeyPassing {
  return new KeyPassing({
    quoteFor: async (reportData) => ({ type: "tdx", ...(await attester.collect(reportData)) }),
    simulated,
    peerPolicy: () => ({ appraisal: SIMULATED_POLICY, digest: sha256(utf8("policy")) }),
    payload() {
      const copy = Uint8Array.from(payload);
      given.push(copy);
      return copy;
    },
    statements: { signNow: () => ({}) as never },
    nowMs: () => nowMs,
    log: () => undefined,
  });
}

async function ask(keys: KeyPassing) {
  const asked = { nonce: receiverNonce, hpkeKey: receiver.publicKey };
  const { nonce } = keys.begin(asked);
  const terms = { receiverNonce, giverNonce: nonce, hpkeKey: receiver.publicKey };
  const quote = await attester.quote(receiverReportData(terms));
  return { nonce, peer: { type: "tdx", quote, endorsements } };
}

beforeEach(async () => {
  nowMs = START_MS;
  given = [];
  endorsements = jcs(await attester.endorsements(new Date(START_MS)));
});

describe("KeyPassing", () => {
  it("wipes its copy of what it gave", async () => {
    const keys = passing();
    const { sealed } = await keys.give(await ask(keys));
    expect(sealed.length).toBe(payload.length + 48);
    expect(given).toEqual([new Uint8Array(payload.length)]);
  });

  it("gives within a minute, and never twice", async () => {
    const keys = passing();
    const late = await ask(keys);
    nowMs += 60_000;
    await expect(keys.give(late)).rejects.toEqual(refusal("passing_unknown"));
    const request = await ask(keys);
    await keys.give(request);
    await expect(keys.give(request)).rejects.toEqual(refusal("passing_unknown"));
    // One that was refused is used up too.
    const wrong = await ask(keys);
    await expect(keys.give({ ...wrong, peer: { ...wrong.peer, endorsements: "x" } })).rejects.toEqual(
      refusal("peer_refused"),
    );
    await expect(keys.give(wrong)).rejects.toEqual(refusal("passing_unknown"));
    expect(given).toHaveLength(1);
  });

  it("bounds what is begun", () => {
    const keys = passing();
    const asked = { nonce: receiverNonce, hpkeKey: receiver.publicKey };
    for (let i = 0; i < 64; i++) keys.begin(asked);
    expect(() => keys.begin(asked)).toThrow(refusal("busy"));
    nowMs += 60_000;
    keys.begin(asked);
  });

  it("of genuine hardware gives a simulated TEE nothing, whatever its policy accepts", async () => {
    const keys = passing(false);
    await expect(keys.give(await ask(keys))).rejects.toEqual(refusal("peer_simulated"));
    expect(given).toEqual([]);
  });

  it("seals to no key of small order", async () => {
    const keys = passing();
    const asked = { nonce: receiverNonce, hpkeKey: new Uint8Array(32) };
    const { nonce } = keys.begin(asked);
    const terms = { receiverNonce, giverNonce: nonce, hpkeKey: asked.hpkeKey };
    const quote = await attester.quote(receiverReportData(terms));
    await expect(keys.give({ nonce, peer: { type: "tdx", quote, endorsements } })).rejects.toEqual(
      refusal("peer_refused"),
    );
  });
});

describe("the same image", () => {
  const judging = {
    simulated: true,
    expectedReportData: new Uint8Array(64),
    nowMs: START_MS,
    log: () => undefined,
  };

  it("is this vault's own, with other models measured into it", async () => {
    const own = { type: "tdx", quote: await attester.quote(new Uint8Array(64)) };
    const policy = sameImagePolicy(own, true);
    const same = createSimulatedAttester();
    await same.register!.extend(new Uint8Array(48).fill(1));
    const peer = { type: "tdx", quote: await same.quote(new Uint8Array(64)), endorsements };
    expect(() => requirePeer(peer, { ...judging, policy })).not.toThrow();
    const hardware = sameImagePolicy(own, false);
    expect(() => requirePeer(peer, { ...judging, policy: hardware, simulated: false })).toThrow(
      refusal("peer_simulated"),
    );
    const zero = new Uint8Array(48);
    const measurements = policy.appraisal.tdx.measurements.map((one) => ({ ...one, mrTd: zero }));
    const other = parsePolicy({ formatVersion: 1, roots: ["simulated"] });
    const appraisal = { ...other, tdx: { ...other.tdx, measurements } };
    expect(() => requirePeer(peer, { ...judging, policy: { ...policy, appraisal } })).toThrow(
      refusal("peer_measurement_unknown"),
    );
  });

  it("cannot be told of a TEE whose measurement does not speak for the whole of it", () => {
    for (const type of ["sgx", "dstack", "azure-vtpm", "unknown"])
      expect(() => sameImagePolicy({ type, quote: new Uint8Array(9) }, false)).toThrow(
        refusal("peer_policy_missing"),
      );
  });
});
