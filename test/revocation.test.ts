/** A revocation's whole way: an administrator's word, the vault's signature, the log, the list, and what a verifier makes of it. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { httpSource, monitorRound, newState } from "../client/monitor/index.ts";
import type { Verification } from "../client/verification.ts";
import { verifyKeyset, verifyReceipt } from "../client/verify.ts";
import { createClient } from "../client/index.ts";
import { toHex } from "../codec/index.ts";
import {
  keysetDigest,
  parseAttestation,
  parseBundle,
  parseRevocations,
  revocationsToJson,
  serializeBundle,
  verifyRevocation,
  parseKeyset,
  type ReceiptBundle,
  type Revocation,
} from "../receipts/index.ts";
import { parseInferRequest } from "../models/client.ts";
import { refusal } from "./refusal.ts";
import { temporaryDirectory } from "./folder.ts";
import { infer, receiptIdOf, smallCall } from "./service-load.ts";
import { startService, type RunningService } from "./service-process.ts";

const claimOf = ({ claims }: Verification) => claims.find(({ claim }) => claim === "not revoked");

const CLI = new URL("../client/cli/main.ts", import.meta.url).pathname;

describe("a revocation", () => {
  let service: RunningService;
  let before: ReceiptBundle;
  let after: ReceiptBundle;
  let revocations: Revocation[];

  async function call(path: string, init: { method?: string; body?: unknown; key?: string | null } = {}) {
    const { method = "GET", body, key = service.apiKey } = init;
    return await fetch(service.url + path, {
      method,
      headers: {
        "content-type": "application/json",
        ...(key !== null && { authorization: `Bearer ${key}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  async function receipt(): Promise<ReceiptBundle> {
    const answer = await infer(service, smallCall("breast-cancer"));
    const response = await call(`/v1/receipts/${receiptIdOf(answer)}?wait=inclusion`);
    return parseBundle(await response.text());
  }

  const policy = { allowSimulated: true };
  const verify = (bundle: ReceiptBundle, list: Revocation[] | undefined = revocations) =>
    verifyReceipt(bundle, { now: new Date(), policy, revocations: list });

  beforeAll(async () => {
    service = await startService();
    before = await receipt();
    const subject = toHex(before.statement.modelId);
    const response = await call("/v1/revocations", { method: "POST", body: { kind: "model", subject } });
    expect(response.status, await response.text()).toBe(201);
    after = await receipt();
    revocations = parseRevocations(await (await call("/v1/revocations", { key: null })).text());
  }, 120_000);
  afterAll(() => service?.stop(), 60_000);

  test("is in the log, signed under a keyset that is in it too", () => {
    expect(revocations).toHaveLength(1);
    const { origin, publicKey } = parseKeyset(after.keyset).log;
    verifyRevocation(revocations[0]!, { name: origin, publicKey });
    expect(() =>
      verifyRevocation(revocations[0]!, { name: origin, publicKey: new Uint8Array(32) }),
    ).toThrow();
  });

  test("refuses what came after it, and lets stand what was before", () => {
    expect(verify(before).code).toBe("ok");
    expect(verify(after)).toMatchObject({ code: "revoked", verdict: "rejected" });
    // Without its place in the log nothing shows that it was before.
    expect(verify({ ...before, inclusion: null }).code).toBe("revoked");
  });

  test("is not believed where it is not what was signed", () => {
    const [revocation] = revocations;
    const earlier = { ...revocation!, statement: { ...revocation!.statement, fromIndex: 0n } };
    expect(verify(before, [earlier]).code).toBe("revocation_invalid");
    const elsewhere = { ...revocation!, log: { ...revocation!.log, leafIndex: 0n } };
    expect(verify(before, [elsewhere]).code).toBe("revocation_invalid");
  });

  test("is the same in the list and in the log, as a monitor sees them", async () => {
    const { origin, publicKey } = parseKeyset(after.keyset).log;
    const { state } = await monitorRound(httpSource(service.url), newState({ name: origin, publicKey }));
    expect([...state.revocations.keys()]).toEqual([revocations[0]!.log.leafIndex]);
  });

  test("is heard of by the SDK, which refuses the next call", async () => {
    const client = createClient({ url: service.url, apiKey: service.apiKey, policy });
    const inputs = parseInferRequest(smallCall("breast-cancer").body).inputs;
    expect(await refusal(() => client.infer("breast-cancer", inputs))).toBe("receipt_rejected revoked");
  });

  test("is asked for, or said to be unchecked", () => {
    const unasked = verifyReceipt(before, { now: new Date(), policy });
    expect(claimOf(unasked)).toMatchObject({ status: "unchecked" });
    expect(claimOf(verify(before))).toMatchObject({ status: "asserted", source: "operator_asserted" });
  });

  test("of a keyset refuses it before anything is sent", async () => {
    const attestation = parseAttestation(await (await call("/v1/attestation")).text());
    const subject = toHex(keysetDigest(attestation.keyset));
    const body = { kind: "keyset", subject, fromIndex: "2" };
    expect((await call("/v1/revocations", { method: "POST", body })).status).toBe(201);
    await receipt();
    const list = parseRevocations(await (await call("/v1/revocations")).text());
    expect(list).toHaveLength(2);
    const options = { now: new Date(), policy };
    expect(verifyKeyset(attestation, { ...options, revocations: list }).code).toBe("revoked");
    expect(verifyKeyset(attestation, { ...options, revocations }).code).toBe("ok");
    expect(verify(before, list).code).toBe(before.inclusion!.leafIndex < 2n ? "ok" : "revoked");
  });

  test("is checked by the command line", async () => {
    const folder = temporaryDirectory();
    const path = (name: string) => join(folder.path, name);
    writeFileSync(path("before"), serializeBundle(before));
    writeFileSync(path("after"), serializeBundle(after));
    writeFileSync(path("list"), JSON.stringify(revocationsToJson(revocations)));
    const codeOf = (name: string, ...more: string[]) => {
      const words = ["verify", path(name), "--allow-simulated", "--json", ...more];
      const { stdout } = spawnSync(process.execPath, [CLI, ...words], { encoding: "utf8" });
      return (JSON.parse(stdout) as { code: string }).code;
    };
    expect(codeOf("before", "--revocations", path("list"))).toBe("ok");
    expect(codeOf("after", "--revocations", path("list"))).toBe("revoked");
    expect(codeOf("after")).toBe("ok");
    expect(codeOf("after", "--revocations", path("before"))).toBe("file_unreadable");
    folder.remove();
  }, 60_000);

  test("is an administrator's, and of something", async () => {
    const subject = "ab".repeat(32);
    const post = (body: unknown, key?: string | null) =>
      call("/v1/revocations", { method: "POST", body, ...(key !== undefined && { key }) });
    expect((await post({ kind: "model", subject }, null)).status).toBe(401);
    const made = await call("/v1/keys", { method: "POST", body: { label: "no administrator" } });
    const { key } = (await made.json()) as { key: string };
    expect(await (await post({ kind: "model", subject }, key)).json()).toMatchObject({
      code: "scope_missing",
    });
    for (const body of [
      { kind: "model" },
      { kind: "user", subject },
      { kind: "model", subject: "ab" },
      { kind: "model", subject, fromIndex: "1000000" },
      { kind: "model", subject, fromIndex: "-1" },
      { kind: "model", subject, other: 1 },
    ])
      expect((await post(body)).status).toBe(400);
    expect((await post({ kind: "model", subject: "00".repeat(32) })).status).toBe(500);
  });
});
