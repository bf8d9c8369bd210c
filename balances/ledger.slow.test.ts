/** Two hundred operations beside plain numbers, every one computed again by an audit; and keys that node-tfhe made. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as Tfhe from "node-tfhe";
import { describe, expect, it } from "vitest";
import { ledgerAudit } from "../client/cli/commands/ledger-audit.ts";
import { jsonLine, runCommand } from "../client/cli/testing/run-command.ts";
import { sha256, toHex0x } from "../codec/index.ts";
import { formatVerifierKey, NOTE_TYPE_ED25519 } from "../receipts/index.ts";
import { auditAccount } from "./audit.ts";
import { openEvaluator, type FhePublicKeys } from "./evaluator.ts";
import { balanceKeyFromBytes, balanceKeyFromSeed } from "./keys.ts";
import { entriesToJson } from "./logged-entry.ts";
import { ownerToText } from "./owner.ts";
import { openProver, proveAmountInNode } from "./prover.ts";
import { ADDON, CACHE, testKeys, TEST_SEED, WITHOUT } from "./testing/addon.ts";
import { TestLedger } from "./testing/ledger.ts";
import { keysetOf, LOG_KEY, logEntry } from "./testing/logged.ts";
import { MODEL_KINDS, runModel } from "./testing/model.ts";
import { ed25519Owner, secp256k1Owner, type Signatory } from "./testing/owners.ts";

/** `affidavit ledger audit` on what the ledger publishes, in a folder. */
async function auditByCommand(ledger: TestLedger, keys: FhePublicKeys, by: Signatory, operator: Signatory) {
  const folder = mkdtempSync(join(tmpdir(), "ledger-"));
  try {
    mkdirSync(join(folder, "keys"));
    mkdirSync(join(folder, "blobs"));
    const files = { "evaluation-key": keys.evaluationKey, "public-key": keys.publicKey, crs: keys.crs };
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, "keys", name), bytes);
    for (const [digest, bytes] of ledger.blobs) writeFileSync(join(folder, "blobs", digest), bytes);
    const keyset = keysetOf(Object.values(files).map((bytes) => sha256(bytes)));
    const entries = ledger.published.map((published) => logEntry(published, keyset));
    writeFileSync(join(folder, "entries.json"), JSON.stringify(entriesToJson(entries)));
    const logKey = formatVerifierKey(NOTE_TYPE_ED25519, LOG_KEY);
    const flags = ["--operator", ownerToText(operator.owner), "--log-key", logKey, "--json"];
    return await runCommand(ledgerAudit, [folder, "--account", toHex0x(by.account), ...flags]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const LIMIT = 1n << 28n;

describe.skipIf(!ADDON)(`encrypted balances at length${WITHOUT}`, () => {
  it("stay equal to plain numbers over two hundred random operations, and re-execute", async () => {
    const keys = await testKeys(ADDON!);
    const key = await balanceKeyFromSeed(ADDON!, TEST_SEED);
    const evaluator = await openEvaluator(ADDON!, keys, { niceness: 0 });
    const operator = secp256k1Owner("operator");
    const context = { serverKeyDigest: evaluator.serverKeyDigest, operator: operator.owner };
    const ledger = new TestLedger(context, evaluator);
    const owners = [secp256k1Owner("alice"), ed25519Owner("bob")];
    const { prove } = await openProver(ADDON!, keys);
    const run = { ledger, key, owners, operator, prove, kinds: MODEL_KINDS };
    await runModel({ ...run, operations: 200, seed: 20 });
    for (const { account } of owners) {
      const { verdict, state } = await auditAccount(ledger, account, { context, evaluator });
      expect(verdict).toBe("agrees");
      expect(state.sequence).toBeGreaterThan(50n);
    }
  });

  it("says incomparable with another number of threads, whose results differ", async () => {
    const keys = await testKeys(ADDON!);
    const key = await balanceKeyFromSeed(ADDON!, TEST_SEED);
    const evaluator = await openEvaluator(ADDON!, keys, { niceness: 0 });
    const operator = secp256k1Owner("operator");
    const context = { serverKeyDigest: evaluator.serverKeyDigest, operator: operator.owner };
    const ledger = new TestLedger(context, evaluator);
    const owners = [secp256k1Owner("alice"), ed25519Owner("bob")];
    const { prove } = await openProver(ADDON!, keys);
    await runModel({ ledger, key, owners, operator, prove, kinds: ["credit"], operations: 2, seed: 3 });
    const other = await openEvaluator(ADDON!, keys, { threads: 8 });
    const audits = await Promise.all(
      owners.map(({ account }) => auditAccount(ledger, account, { context, evaluator: other })),
    );
    expect(audits.map((audit) => audit.verdict)).toContain("incomparable");
    const command = await auditByCommand(ledger, keys, owners[0]!, operator);
    expect([command.status, jsonLine(command.stdout)]).toEqual([
      0,
      expect.objectContaining({ code: "agrees" }),
    ]);
  });

  it("encrypts by the addon where it is built", async () => {
    const stages: string[] = [];
    const keys = await testKeys(ADDON!);
    await proveAmountInNode(
      { ...keys, amountAtomic: 1n, metadata: new Uint8Array() },
      { cacheDirectory: CACHE, onStage: (stage, by) => stages.push(`${stage} by ${by}`) },
    );
    expect(stages).toEqual(["reading keys", "proving", "done"].map((stage) => `${stage} by addon`));
  });

  it("computes with keys that node-tfhe made", async () => {
    const tfhe = createRequire(import.meta.url)("node-tfhe") as typeof Tfhe;
    const parameters = new tfhe.ShortintCompactPublicKeyEncryptionParameters(
      tfhe.ShortintCompactPublicKeyEncryptionParametersName.PARAM_PKE_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
    );
    const config = tfhe.TfheConfigBuilder.default()
      .use_dedicated_compact_public_key_parameters(parameters)
      .build();
    const clientKey = tfhe.TfheClientKey.generate(config);
    const evaluationKey = tfhe.TfheCompressedServerKey.new(clientKey).safe_serialize(LIMIT);
    const publicKey = tfhe.TfheCompactPublicKey.new(clientKey).safe_serialize(LIMIT);
    const { crs } = await testKeys(ADDON!);
    const key = await balanceKeyFromBytes(ADDON!, clientKey.safe_serialize(LIMIT));
    const evaluator = await openEvaluator(ADDON!, { evaluationKey, publicKey, crs }, { niceness: 0 });
    const prover = await openProver(ADDON!, { publicKey, crs });
    const metadata = Uint8Array.of(9);
    const amount = await evaluator.verifyAndExpand(await prover.prove(40n, metadata), metadata);
    const { balance } = await evaluator.debit(await key.encrypt(100n), amount);
    expect(await key.decryptAmount(balance)).toBe(60n);
  });
});
