import { beforeAll, describe, expect, test } from "vitest";
import { createIssuer, NOW, type Issuer } from "../../test/receipt-fixture.ts";
import { parseNote, type ReceiptBundle } from "../../receipts/index.ts";
import type { WitnessPolicy } from "../policy.ts";
import { verifyKeyset, verifyReceipt } from "../verify.ts";
import { witnessKey } from "../witness/index.ts";

const witnesses = [1, 2, 3].map((i) => witnessKey(`witness.example/w${i}`, new Uint8Array(32).fill(i)));
const verifierKeys = witnesses.map(({ verifierKey }) => verifierKey);
let issuer: Issuer;
beforeAll(async () => {
  issuer = await createIssuer();
});

/** A note with the cosignatures of the witnesses of these numbers, from 0. */
function cosigned(note: string, by: number[]): string {
  return cosignedAt(
    note,
    by.map((i) => [i, NOW.getTime()]),
  );
}

/** Witnesses by number, each with its own clock in milliseconds. */
function cosignedAt(note: string, by: [number, number][]): string {
  const { text } = parseNote(note);
  return note + by.map(([i, ms]) => witnesses[i]!.cosign(text, BigInt(Math.floor(ms / 1000)))).join("");
}

function receiptWith(keysetBy: number[], statementBy: number[]): ReceiptBundle {
  const { bundle } = issuer.issue({}, { included: true });
  const { keysetLog, inclusion } = bundle;
  return {
    ...bundle,
    keysetLog: { ...keysetLog, checkpoint: cosigned(keysetLog.checkpoint, keysetBy) },
    inclusion: { ...inclusion!, checkpoint: cosigned(inclusion!.checkpoint, statementBy) },
  };
}

const verify = (bundle: ReceiptBundle, policy: WitnessPolicy, requireInclusion?: boolean) =>
  verifyReceipt(bundle, {
    now: NOW,
    policy: {
      allowSimulated: true,
      witnesses: policy,
      ...(requireInclusion !== undefined && { requireInclusion }),
    },
  });

describe("k of n log witnesses", () => {
  test.each([
    { require: 1, keysetBy: [2], statementBy: [0], code: "ok" },
    { require: 2, keysetBy: [0, 1], statementBy: [1, 2], code: "ok" },
    { require: 3, keysetBy: [0, 1, 2], statementBy: [0, 1, 2], code: "ok" },
    { require: 1, keysetBy: [], statementBy: [0], code: "cosignatures_missing" },
    { require: 1, keysetBy: [0], statementBy: [], code: "cosignatures_missing" },
    { require: 2, keysetBy: [0, 1], statementBy: [1], code: "cosignatures_missing" },
    { require: 2, keysetBy: [0, 1], statementBy: [1, 1], code: "cosignatures_missing" },
  ])(
    "$require where $keysetBy and $statementBy cosigned: $code",
    ({ require, keysetBy, statementBy, code }) => {
      const bundle = receiptWith(keysetBy, statementBy);
      const result = verify(bundle, { verifierKeys, require });
      expect(result.code).toBe(code);
      if (code === "ok") {
        const claim = result.claims.find(({ claim: name }) => name === "one log");
        expect(claim).toMatchObject({ status: "verified", source: "verifier_derived" });
      }
    },
  );

  test.each([
    { what: "keysetLog", stated: "the keyset's start" },
    { what: "inclusion", stated: "the time of issue" },
  ] as const)("count where they saw the head of $what no earlier than $stated, and bound it", ({ what }) => {
    const bundle = receiptWith([0, 1, 2], [0, 1, 2]);
    const { keysetStatement, statement } = bundle;
    const stated = what === "inclusion" ? statement.issuedAtMs : keysetStatement.statement.notBeforeMs;
    const statedMs = Number(stated);
    const HOUR_MS = 3_600_000;
    const seen = (...clocks: number[]) => {
      const log = bundle[what]!;
      const note = issuerNote(log.checkpoint);
      const checkpoint = cosignedAt(
        note,
        clocks.map((ms, i) => [i, ms]),
      );
      return verify({ ...bundle, [what]: { ...log, checkpoint } }, { verifierKeys, require: 2 });
    };
    expect(seen(statedMs - HOUR_MS, statedMs - HOUR_MS, statedMs - HOUR_MS).code).toBe("issued_after_log");
    expect(seen(statedMs - HOUR_MS, statedMs, statedMs - HOUR_MS).code).toBe("issued_after_log");
    expect(seen(statedMs - HOUR_MS, statedMs, statedMs + HOUR_MS).code).toBe("ok");
    const behind = seen(statedMs - 60_000, statedMs - 60_000);
    expect(behind.code).toBe("ok");
    if (what === "inclusion") {
      const { claims } = seen(statedMs + HOUR_MS, statedMs, statedMs + 2 * HOUR_MS);
      const value = `no later than ${new Date(Math.floor((statedMs + HOUR_MS) / 1000) * 1000).toISOString()}`;
      expect(claims).toContainEqual({
        claim: "issued",
        value,
        status: "verified",
        source: "verifier_derived",
      });
    }
  });

  test("counts none but those that were named, and refuses a forged one", () => {
    const bundle = receiptWith([0, 1, 2], [0, 1, 2]);
    const stranger = witnessKey("witness.example/w9", new Uint8Array(32).fill(9)).verifierKey;
    expect(verify(bundle, { verifierKeys: [stranger], require: 1 }).code).toBe("cosignatures_missing");
    const sameName = witnessKey("witness.example/w1", new Uint8Array(32).fill(9)).verifierKey;
    expect(verify(bundle, { verifierKeys: [sameName], require: 1 }).code).toBe("cosignatures_missing");
    const { inclusion } = bundle;
    const line = witnesses[0]!.cosign("another text\n", 1_700_000_000n);
    const forged = {
      ...bundle,
      inclusion: { ...inclusion!, checkpoint: issuerNote(inclusion!.checkpoint) + line },
    };
    expect(verify(forged, { verifierKeys, require: 1 }).code).toBe("note_signature_invalid");
  });

  test("wants inclusion, unless that is given up by name; without a policy one log is the operator's word", () => {
    const pending = { ...receiptWith([0, 1, 2], []), inclusion: null };
    expect(verify(pending, { verifierKeys, require: 1 }).code).toBe("inclusion_missing");
    expect(verify(pending, { verifierKeys, require: 1 }, false).code).toBe("ok");
    const { claims } = verifyReceipt(pending, { now: NOW, policy: { allowSimulated: true } });
    expect(claims.find(({ claim }) => claim === "one log")).toMatchObject({ source: "operator_asserted" });
  });

  test("holds for a keyset before anything is sent", () => {
    const policy = { allowSimulated: true, witnesses: { verifierKeys, require: 2 } };
    const { keysetLog } = issuer.record;
    const record = (by: number[]) => ({
      ...issuer.record,
      keysetLog: { ...keysetLog, checkpoint: cosigned(keysetLog.checkpoint, by) },
    });
    expect(verifyKeyset(record([0, 2]), { now: NOW, policy }).code).toBe("ok");
    expect(verifyKeyset(record([0]), { now: NOW, policy }).code).toBe("cosignatures_missing");
  });

  test.each([
    { verifierKeys, require: 0 },
    { verifierKeys, require: 4 },
    { verifierKeys, require: 1.5 },
    { verifierKeys: [verifierKeys[0]!, verifierKeys[0]!], require: 1 },
    { verifierKeys: ["x"], require: 1 },
    { verifierKeys: [], require: 1 },
  ])("refuses a policy that is none: %j", (policy) => {
    expect(() => verify(issuer.issue().bundle, policy)).toThrow(
      expect.objectContaining({ code: "policy_malformed" }),
    );
  });
});

/** The note without the cosignatures. */
function issuerNote(note: string): string {
  return note.split("\n").slice(0, 5).join("\n") + "\n";
}
