/** A ledger in memory: what a service keeps in its database, and what it publishes for an audit. */
import { sha256, toHex, utf8 } from "../../codec/index.ts";
import type { AccountState, LedgerContext } from "../account.ts";
import type { LedgerSource, PublishedEntry } from "../audit.ts";
import type { Command } from "../command.ts";
import { BalanceError } from "../error.ts";
import type { Homomorphic } from "../evaluate.ts";
import { parseOperand } from "../operand.ts";
import { prepareEntry, prepareOpening, type PreparedEntry } from "../prepare.ts";
import { Supply } from "../supply.ts";
import { NOW_MS, type Signatory } from "./owners.ts";

type TestEvaluator = Homomorphic & { execution: { executionText: string; executionDigest: Uint8Array } };

export class TestLedger implements LedgerSource {
  readonly context: LedgerContext;
  readonly evaluator: TestEvaluator;
  readonly supply = new Supply();
  readonly states = new Map<string, AccountState>();
  readonly published: PublishedEntry[] = [];
  readonly blobs = new Map<string, Uint8Array>();

  constructor(context: LedgerContext, evaluator: TestEvaluator) {
    this.context = context;
    this.evaluator = evaluator;
  }

  open(by: Signatory, zero: Uint8Array): void {
    this.#commit(prepareOpening(by.owner, zero, { context: this.context, nowMs: NOW_MS }));
  }

  state(by: Signatory): AccountState {
    return this.states.get(toHex(by.account))!;
  }

  balance(by: Signatory): Uint8Array {
    return this.blobs.get(toHex(this.state(by).balanceDigest))!;
  }

  async run(by: Signatory, command: Command, nowMs = NOW_MS): Promise<PreparedEntry> {
    const { context, evaluator } = this;
    const options = { context, evaluator, nowMs };
    const prepared = await prepareEntry(this.state(by), this.balance(by), command, options);
    this.#commit(prepared, command);
    return prepared;
  }

  #commit(prepared: PreparedEntry, command?: Command): void {
    const { entry, operandText, outcome, next } = prepared;
    this.supply.admit(entry, parseOperand(operandText));
    const computed = entry.executionDigest.some((byte) => byte !== 0);
    const executionText = computed ? this.evaluator.execution.executionText : "";
    this.published.push({ entry, operandText, executionText });
    this.states.set(toHex(next.account), next);
    const inputs = (["proven", "amount", "taken"] as const).map((name) =>
      command && name in command ? (Reflect.get(command, name) as Uint8Array) : undefined,
    );
    for (const bytes of [outcome.balance, outcome.sufficient, outcome.taken, ...inputs]) {
      if (bytes) this.blobs.set(toHex(sha256(bytes)), bytes);
    }
  }

  async *entries(account: Uint8Array) {
    yield* this.published.filter(({ entry }) => toHex(entry.account) === toHex(account));
  }

  async blob(digest: Uint8Array): Promise<Uint8Array | undefined> {
    return this.blobs.get(toHex(digest));
  }
}

function writePlain(value: bigint, salt: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(40);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value));
  bytes.set(sha256(salt), 8);
  return bytes;
}

function debitPlain(balance: Uint8Array, amount: bigint, salt: Uint8Array) {
  const covered = readPlain(balance) >= amount;
  const taken = covered ? amount : 0n;
  return {
    balance: writePlain(readPlain(balance) - taken, salt),
    sufficient: writePlain(covered ? 1n : 0n, salt),
    taken: writePlain(taken, salt),
  };
}

/** Plain numbers in place of ciphertexts: for rules that do not depend on encryption. Proofs are `metadata ‖ amount`. */
export function plainEvaluator(threads = 1): TestEvaluator {
  const executionText = JSON.stringify({ engine: "plain", threads });
  return {
    execution: { executionText, executionDigest: sha256(utf8(executionText)) },
    verifyAndExpand: async (proven, metadata) => {
      if (toHex(proven.subarray(0, -8)) !== toHex(metadata))
        throw new BalanceError("proof_invalid", "not of this request");
      return writePlain(readPlain(proven.subarray(-8)), proven);
    },
    credit: async (balance, amount) => writePlain(readPlain(balance) + readPlain(amount), amount),
    creditClear: async (balance, amount) => writePlain(readPlain(balance) + amount, balance),
    debit: async (balance, amount) => debitPlain(balance, readPlain(amount), amount),
    debitClear: async (balance, amount) => debitPlain(balance, amount, balance),
  };
}

export function readPlain(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
}
