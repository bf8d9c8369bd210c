/** `affidavit ledger account allowance open | show | close`: credits that are paid from a balance once, and spent by inferences. */
import {
  BalanceError,
  MAX_ALLOWANCE_MS,
  priceListDigest,
  verifyPriceList,
  type OwnerSigner,
} from "../../../balances/index.ts";
import { fromHex } from "../../../codec/index.ts";
import { parseKeyset } from "../../../receipts/index.ts";
import { hpkeKeysOf } from "../../../sealing/index.ts";
import { createClient } from "../../client.ts";
import type { LedgerAllowance } from "../../ledger-allowances.ts";
import { LedgerClient } from "../../ledger-client.ts";
import type { ClientPolicy } from "../../policy.ts";
import { adminFlags, adminTransport, noPositionals } from "../admin.ts";
import { flags, printJson, RefusedError, UsageError } from "../command.ts";
import { apiKeyFor, DEFAULT_URL } from "../credentials.ts";
import { paint, printable } from "../output.ts";
import { readOwnerKey } from "../owner-key.ts";
import { policyFlags, POLICY_FLAGS_HELP, policyFrom } from "../policy-flags.ts";

export const ALLOWANCE_HELP = `  allowance open       pays --credits N from the balance for inferences: affidavit infer --allowance ID then takes each price
                       from it. The terms are sealed to the service's vault, which is verified first
  allowance show       how the allowances stand, or the one of --id
  allowance close      ends the one of --id: what is left comes back to the balance`;
export const ALLOWANCE_FLAGS_HELP = `
For allowances:

  --credits N             atomic units
  --expires-in HOURS      when it ends (24)
  --id ID                 0x and 64 hex digits${POLICY_FLAGS_HELP}`;

interface AllowanceCall {
  signer: OwnerSigner;
  client: LedgerClient;
  url: string;
  apiKey: string | undefined;
  policy: ClientPolicy;
  credits: string | undefined;
  id: string | undefined;
  expiresIn: string | undefined;
  json: boolean;
}

const ACTIONS: Record<string, (call: AllowanceCall) => Promise<number>> = { open, show, close };
const DEFAULT_HOURS = 24;

/** @throws UsageError, RefusedError, AffidavitError */
export async function ledgerAllowance(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    "owner-key": { type: "string" },
    credits: { type: "string" },
    id: { type: "string" },
    "expires-in": { type: "string" },
    ...policyFlags,
    ...adminFlags,
  });
  const [name = "", ...rest] = positionals;
  noPositionals(rest);
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (!action) throw new UsageError(`allowance takes ${Object.keys(ACTIONS).join(", ")}`);
  if (!values["owner-key"]) throw new UsageError("give an --owner-key");
  const signer = await readOwnerKey(values["owner-key"]);
  const client = new LedgerClient(await adminTransport(values));
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  const apiKey = await apiKeyFor(url, values.key);
  const { credits, id, "expires-in": expiresIn, json = false } = values;
  const policy = await policyFrom(values);
  try {
    return await action({ signer, client, url, apiKey, policy, credits, id, expiresIn, json });
  } catch (cause) {
    throw cause instanceof BalanceError ? new RefusedError(cause.code, cause.message, { cause }) : cause;
  }
}

async function open(call: AllowanceCall): Promise<number> {
  const { signer, client, json } = call;
  const credits = creditsOf(call);
  const expiresAtMs = BigInt(Date.now() + lifetimeMs(call));
  const { serverKeyDigest } = await client.describe();
  const { requestSequence } = await client.account(signer.account);
  const text = await client.prices();
  verifyPriceList(text);
  const opened = await client.openAllowance(signer, {
    requestSequence: BigInt(requestSequence) + 1n,
    serverKeyDigest: fromHex(serverKeyDigest),
    credits,
    expiresAtMs,
    priceList: priceListDigest(text),
    keyset: await verifiedKeyset(call),
  });
  if (!json) process.stderr.write(`waiting for the debit of ${opened.id}\n`);
  return shown(await client.allowanceIn("open", signer.account, opened.id), "open", json);
}

async function show({ client, signer, id, json }: AllowanceCall): Promise<number> {
  const allowances =
    id === undefined ? await client.allowances(signer.account) : [await client.allowance(signer.account, id)];
  if (json) printJson({ ok: true, code: "ok", allowances });
  else for (const allowance of allowances) process.stdout.write(lineOf(allowance));
  return 0;
}

async function close(call: AllowanceCall): Promise<number> {
  const { client, signer, json } = call;
  const id = idOf(call);
  await client.closeAllowance(signer, id);
  if (!json) process.stderr.write("waiting for the refund\n");
  return shown(await client.allowanceIn("refunded", signer.account, id), "refunded", json);
}

/** The vault that the terms name and are sealed to. @throws AffidavitError where it does not verify */
async function verifiedKeyset({ url, apiKey, policy }: AllowanceCall) {
  const { document } = await createClient({ url, apiKey, policy }).attestation();
  const { receiptAddress, encryptionKeys } = parseKeyset(document.keyset);
  const [key] = hpkeKeysOf(encryptionKeys);
  if (!key) throw new RefusedError("sealing_unavailable", "the keyset has no key to seal terms to");
  return { receiptAddress, sealingKey: key.publicKey };
}

function creditsOf({ credits = "" }: AllowanceCall): bigint {
  if (!/^[1-9][0-9]{0,18}$/.test(credits))
    throw new UsageError("--credits takes a whole number of atomic units");
  return BigInt(credits);
}

function lifetimeMs({ expiresIn = String(DEFAULT_HOURS) }: AllowanceCall): number {
  const hours = Number(expiresIn);
  if (!/^[1-9][0-9]{0,2}$/.test(expiresIn) || hours * 3_600_000 > MAX_ALLOWANCE_MS)
    throw new UsageError("--expires-in takes a number of hours, at most 744");
  return hours * 3_600_000;
}

function idOf({ id = "" }: AllowanceCall): string {
  if (!/^0x[0-9a-f]{64}$/.test(id)) throw new UsageError("--id takes an allowance: 0x and 64 hex digits");
  return id;
}

function shown(allowance: LedgerAllowance, wanted: LedgerAllowance["state"], json: boolean): number {
  const ok = allowance.state === wanted;
  const code = ok ? "ok" : (allowance.code ?? allowance.state);
  if (json) printJson({ ...allowance, ok, code });
  else if (ok) process.stdout.write(`${paint("green", `✓ ${wanted}`)}  ${allowance.id}\n`);
  else process.stdout.write(`${paint("red", `✗ ${allowance.state}`)}  ${printable(code)}\n`);
  return ok ? 0 : 1;
}

function lineOf({ id, state, expiresAt, code }: LedgerAllowance): string {
  return `${id}  ${state}${code === null ? "" : ` (${printable(code)})`}, until ${expiresAt}\n`;
}
