/** Encrypted balances against whole running services, with the real addon: vouchers, debits, transfers, readings, a crash. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createReadingKey,
  openProver,
  openReading,
  orderJson,
  ownerSigner,
  ownerToText,
  OPERATIONS,
  proofMetadata,
  requestDigest,
  requestJson,
  signOrder,
  signRequest,
  type OwnerSigner,
  type RequestedName,
} from "../balances/index.ts";
import { ADDON, CACHE, WITHOUT } from "../balances/testing/addon.ts";
import { fromBase64, fromHex, sha256, toBase64, toHex, toHex0x, utf8 } from "../codec/index.ts";
import { temporaryDirectory } from "./folder.ts";
import { startService, type RunningService } from "./service-process.ts";

/** Distinctive: as bytes, hex or decimal it must be found nowhere outside the vault. */
const PLANTED = 7_340_129_845_611_203n;
const SMALL = 1_000_003n;

const operator = ownerSigner("ed25519", sha256(utf8("operator")));
const alice = ownerSigner("secp256k1", sha256(utf8("alice")));
const bob = ownerSigner("ed25519", sha256(utf8("bob")));

const folder = temporaryDirectory();
const captured: Buffer[] = [];
let service: RunningService;
let serverKeyDigest: Uint8Array;
let outputs = "";

async function start(): Promise<void> {
  service = await startService({
    directory: folder.path,
    startTimeoutMs: 280_000,
    environment: {
      AFFIDAVIT_BALANCES_OPERATOR: ownerToText(operator.owner),
      AFFIDAVIT_CACHE_DIR: CACHE,
      AFFIDAVIT_LOG_LEVEL: "debug",
    },
  });
}

async function call(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const answer = await fetch(service.url + path, {
    method,
    headers: { authorization: `Bearer ${service.apiKey}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  captured.push(bytes);
  const json = JSON.parse(bytes.toString()) as Record<string, unknown>;
  return answer.ok ? json : { ...json, refused: true };
}

const place = (by: OwnerSigner) => `/v1/accounts/${toHex0x(by.account)}`;
const soon = () => BigInt(Date.now() + 600_000);

async function settled(by: OwnerSigner, asked: Record<string, unknown>): Promise<Record<string, unknown>> {
  expect(asked).toMatchObject({ state: "waiting" });
  for (;;) {
    const operation = await call("GET", `${place(by)}/operations/${asked["id"] as string}`);
    if (operation["state"] !== "waiting") return operation;
    await sleep(200);
  }
}

async function credit(by: OwnerSigner, amountAtomic: bigint): Promise<Record<string, unknown>> {
  const reference = sha256(utf8(`${amountAtomic}`));
  const members = { account: by.account, amountAtomic, reference, serverKeyDigest, expiresAtMs: soon() };
  const { order, signature } = await signOrder(operator, "credit", members);
  const body = { operation: "credit", order: orderJson(order), signature: toHex0x(signature) };
  return call("POST", `${place(by)}/operations`, body);
}

async function signed(by: OwnerSigner, operation: RequestedName, members: object) {
  const { request, signature } = await signRequest(by, operation, {
    serverKeyDigest,
    expiresAtMs: soon(),
    ...members,
  });
  return { request: requestJson(request), signature: toHex0x(signature), digest: requestDigest(request) };
}

async function debit(by: OwnerSigner, requestSequence: bigint, amountAtomic: bigint) {
  const { request, signature } = await signed(by, "debit", { requestSequence, amountAtomic });
  return call("POST", `${place(by)}/operations`, { operation: "debit", request, signature });
}

async function read(by: OwnerSigner): Promise<bigint> {
  const key = await createReadingKey();
  const { request, signature, digest } = await signed(by, "reading", { operandDigest: key.operandDigest });
  const publicKey = toHex0x(key.publicKey);
  const { reading } = await call("POST", `${place(by)}/reading`, { request, signature, publicKey });
  return (await openReading(fromBase64(reading as string), key, digest)).amountAtomic;
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Each way in which the number could lie about. */
function spellings(amount: bigint): Buffer[] {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(amount);
  const little = Buffer.alloc(8);
  little.writeBigUInt64LE(amount);
  const texts = [amount.toString(), bytes.toString("hex"), bytes.toString("base64").slice(0, 10)];
  return [bytes, little, ...texts.map((text) => Buffer.from(text))];
}

function found(searched: readonly Uint8Array[], wanted: Buffer): boolean {
  return searched.some(({ buffer, byteOffset, length }) =>
    Buffer.from(buffer, byteOffset, length).includes(wanted),
  );
}

describe.skipIf(!ADDON)(`encrypted balances${WITHOUT}`, { timeout: 300_000 }, () => {
  beforeAll(async () => {
    await start();
    serverKeyDigest = fromHex((await call("GET", "/v1/balances/keys"))["serverKeyDigest"] as string);
    for (const by of [alice, bob]) await call("POST", "/v1/accounts", { owner: ownerToText(by.owner) });
  }, 300_000);
  afterAll(async () => {
    await service?.stop();
    folder.remove();
  });

  it("are credited, debited and read; two debits of one account come one after the other", async () => {
    expect(await settled(alice, await credit(alice, 2n * SMALL))).toMatchObject({
      state: "done",
      sequence: "2",
    });
    const asked = [await debit(alice, 2n, 2n * SMALL), await debit(alice, 1n, SMALL)];
    const [second, first] = await Promise.all(asked.map((operation) => settled(alice, operation)));
    expect(first).toMatchObject({ state: "done", sequence: "3", sufficient: true });
    expect(second).toMatchObject({ state: "done", sequence: "4", sufficient: false });
    expect(await read(alice)).toBe(SMALL);
    expect(await debit(alice, 2n, 1n).then((operation) => settled(alice, operation))).toMatchObject({
      state: "refused",
      code: "ledger_request_replayed",
    });
  });

  it("lose nothing where the service is killed in the middle, and do nothing twice", async () => {
    const asked = await credit(bob, PLANTED - SMALL);
    await sleep(1500);
    outputs += service.output();
    service.child.kill("SIGKILL");
    await new Promise((done) => service.child.once("exit", done));
    await start();
    expect(await settled(bob, asked)).toMatchObject({ state: "done", sequence: "2" });
    expect(await credit(bob, PLANTED - SMALL).then((operation) => settled(bob, operation))).toMatchObject({
      state: "refused",
      code: "ledger_reference_used",
    });
  });

  it("go to another account by an encrypted amount, and are found nowhere", async () => {
    const [publicKey, crs] = await Promise.all(
      ["public-key", "crs"].map(async (name) => {
        const answer = await fetch(`${service.url}/v1/balances/keys/${name}`);
        return new Uint8Array(await answer.arrayBuffer());
      }),
    );
    const prover = await openProver(ADDON!, { publicKey: publicKey!, crs: crs! });
    const bound = { account: alice.account, requestSequence: 3n, operation: OPERATIONS.transferOut };
    const proven = await prover.prove(SMALL, proofMetadata({ ...bound, serverKeyDigest }));
    const members = { requestSequence: 3n, operandDigest: sha256(proven), subject: bob.account };
    const { request, signature } = await signed(alice, "transferOut", members);
    const body = { operation: "transferOut", request, signature, proven: toBase64(proven) };
    const left = await settled(alice, await call("POST", `${place(alice)}/operations`, body));
    expect(left).toMatchObject({ state: "done", sufficient: true });
    while ((await call("GET", place(bob)))["sequence"] !== "3") await sleep(200);
    expect([await read(alice), await read(bob)]).toEqual([0n, PLANTED]);
    outputs += service.output();
    await service.stop();
    const searched: Uint8Array[] = [
      ...filesBelow(join(folder.path, "data")).filter((path) => statSync(path).size > 0),
      ...filesBelow(join(folder.path, "vault")),
    ].map((path) => readFileSync(path));
    searched.push(...captured, Buffer.from(outputs));
    for (const spelling of spellings(PLANTED))
      expect(
        searched.some((bytes) =>
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(spelling),
        ),
        toHex(spelling),
      ).toBe(false);
    // The search finds what is there: a clear credit is public.
    expect(found(searched, Buffer.from((PLANTED - SMALL).toString()))).toBe(true);
  });
});
