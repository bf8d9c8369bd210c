/** Accounts and allowances of running services, as an owner uses them. */
import { readFileSync } from "node:fs";
import { createClient } from "../client/index.ts";
import { LedgerClient } from "../client/ledger-client.ts";
import type { AllowanceWanted } from "../client/ledger-allowances.ts";
import { Transport } from "../client/transport.ts";
import { ownerSigner, priceListDigest, signPriceList, type OwnerSigner } from "../balances/index.ts";
import { fromHex, sha256, toHex0x, utf8 } from "../codec/index.ts";
import { manifestText, modelId, type Manifest } from "../models/client.ts";
import { parseKeyset } from "../receipts/index.ts";
import { hpkeKeysOf } from "../sealing/index.ts";
import { infer, smallCall, type Answer, type Call } from "./service-load.ts";

export const operator = ownerSigner("ed25519", sha256(utf8("operator")));
/** The service owner's Ed25519 seed. */
export const OWNER_SEED = new Uint8Array(32).fill(0x2b);

const MANIFEST = new URL("../models/zoo/breast-cancer/manifest.json", import.meta.url);

interface Target {
  url: string;
  apiKey: string;
}

/** What an inference of the small model costs. */
export const PRICE = 3n;

/** The signed text. */
export function priceList(version: bigint): string {
  const manifest = JSON.parse(readFileSync(MANIFEST, "utf8")) as Manifest;
  const prices = new Map([[toHex0x(modelId(manifestText(manifest))), PRICE]]);
  return signPriceList({ version, issuedAtMs: 0n, prices }, OWNER_SEED);
}

export function ledgerOf(target: Target): LedgerClient {
  return new LedgerClient(new Transport(target));
}

/** What allowances by the vault of this service name. */
export async function keysetOf({ url, apiKey }: Target): Promise<AllowanceWanted["keyset"]> {
  const client = createClient({ url, apiKey, policy: { allowSimulated: true } });
  const { receiptAddress, encryptionKeys } = parseKeyset((await client.attestation()).document.keyset);
  return { receiptAddress, sealingKey: hpkeKeysOf(encryptionKeys)[0]!.publicKey };
}

export async function credit(ledger: LedgerClient, to: OwnerSigner, amountAtomic: bigint): Promise<void> {
  const { account } = to;
  const reference = sha256(utf8(`${toHex0x(account)} ${amountAtomic}`));
  const asked = await ledger.order(operator, "credit", { account, amountAtomic, reference });
  const { state } = await ledger.settled(account, asked);
  if (state !== "done") throw new Error(`the credit is ${state}`);
}

/** What an owner signs for an allowance by this service's vault. */
export async function wanted(target: Target, by: OwnerSigner, credits: bigint): Promise<AllowanceWanted> {
  const ledger = ledgerOf(target);
  const { requestSequence } = await ledger.account(by.account);
  return {
    requestSequence: BigInt(requestSequence) + 1n,
    serverKeyDigest: fromHex((await ledger.describe()).serverKeyDigest),
    credits,
    expiresAtMs: BigInt(Date.now() + 3_600_000),
    priceList: priceListDigest(await ledger.prices()),
    keyset: await keysetOf(target),
  };
}

/** An allowance that is open when this resolves. */
export async function openAllowance(target: Target, by: OwnerSigner, credits: bigint): Promise<string> {
  const ledger = ledgerOf(target);
  const { id } = await ledger.openAllowance(by, await wanted(target, by, credits));
  const { state, code } = await ledger.allowanceIn("open", by.account, id);
  if (state !== "open") throw new Error(`the allowance is ${state}: ${code}`);
  return id;
}

/** An inference of its own that the allowance pays for. */
export function pay(target: Target, allowance: string, more: Partial<Call> = {}): Promise<Answer> {
  return infer(target, { ...smallCall("breast-cancer"), allowance, ...more });
}
