/**
 * Load and murder: callers who keep every receipt that they get, and a hand that kills one of the service's processes at a
 * random moment. What a caller holds must be in the log for good; what the log holds must hang together.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { temporaryDirectory } from "./folder.ts";
import {
  checkReceipt,
  infer,
  outputOf,
  receiptIdOf,
  requestDigestOf,
  requestIdOf,
  seededRandom,
  smallCall,
  type Answer,
  type Call,
  type Target,
} from "./service-load.ts";
import { startService, type RunningService } from "./service-process.ts";
import { auditLog, openStore, type Audit } from "./service-store.ts";
import { findRole, processTree, type Role } from "./service-tree.ts";

export const VICTIMS = ["service", "vault", "host", "postgres", "backend"] as const satisfies Role[];
export type Victim = (typeof VICTIMS)[number];

const CALLERS = 6;
const PAUSE_MS = 25;
const RETRY_MS = 60;
/** Statuses and codes that a caller may see while something is dead; anything else is a defect. */
const EXCUSES = new Set([
  "409 idempotency_in_progress",
  "502 engine_crashed",
  "503 append_outcome_unknown",
  "503 database_unavailable",
  "503 idempotency_lost",
  "503 session_unavailable",
  "503 vault_vault_gone",
  "504 request_timeout",
]);

interface Held {
  call: Call;
  answer: Answer;
}

export interface Outcome {
  held: Held[];
  /** How often callers were told what; `unanswered` where the connection broke. */
  told: Map<string, number>;
  /** Of every call, by request digest: whether it asked until it was answered. */
  asked: Map<string, "once" | "until answered">;
}

export class Chaos {
  readonly #folder = temporaryDirectory();
  readonly #random: () => number;
  readonly #over = new AbortController();
  readonly #outcome: Outcome = { held: [], told: new Map(), asked: new Map() };
  readonly trees = new Map<string, ReturnType<typeof processTree>[number]>();
  #callers: Promise<void>[] = [];
  #service: RunningService | undefined;
  #target: Target | undefined;
  #store: Pool | undefined;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  get service(): RunningService {
    return this.#service!;
  }

  async begin(): Promise<void> {
    await this.#start();
    this.#store = openStore(this.#folder.path);
    this.#callers = Array.from({ length: CALLERS }, (_, index) => this.#caller(index));
  }

  /** Under load for a random time, then kill, then wait until answers come again. @returns what was done, in words */
  async strike(victim: Victim): Promise<string> {
    const afterMs = 150 + Math.floor(this.#random() * 700);
    await sleep(afterMs);
    const keyset = this.#lastKeyset();
    const root = this.service.child.pid!;
    const pid = this.#choose(victim, root);
    for (const entry of processTree(root)) this.trees.set(`${entry.pid} ${entry.startTicks}`, entry);
    const begun = performance.now();
    process.kill(pid, "SIGKILL");
    if (victim === "service") {
      await once(this.service.child, "exit");
      await this.#start();
    }
    await this.#answersAgain(victim === "service" || victim === "vault" ? keyset : undefined);
    return `${victim} after ${afterMs} ms, back in ${Math.round(performance.now() - begun)} ms`;
  }

  /** Ends the load: callers bring to an end what they began. */
  async settle(): Promise<Outcome> {
    this.#over.abort();
    await Promise.all(this.#callers);
    return this.#outcome;
  }

  /** @returns what is wrong with what callers hold, and the log's own audit */
  async judge(): Promise<{ audit: Audit; faults: string[] }> {
    const audit = await auditLog(this.#store!);
    const { held, asked } = this.#outcome;
    const faults: string[] = [];
    for (const { call, answer } of held) {
      const fault = await checkReceipt(this.#target!, call, answer);
      if (fault) faults.push(fault);
      const stored = audit.inferences.get(receiptIdOf(answer));
      if (stored?.requestId !== requestIdOf(answer)) faults.push(`${receiptIdOf(answer)} is not in the log`);
    }
    const requestIds = held.map(({ answer }) => requestIdOf(answer));
    if (new Set(requestIds).size !== held.length) faults.push("two receipts share a request id");
    return { audit, faults: [...faults, ...countStatements(audit, asked)] };
  }

  async end(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#callers);
    await this.#store?.end();
    await this.#service?.stop();
    this.#folder.remove();
  }

  async #start(): Promise<void> {
    this.#service = await startService({
      directory: this.#folder.path,
      // Short, so that the lease of a killed holder ends while its caller still asks.
      environment: {
        AFFIDAVIT_REQUEST_TIMEOUT_MS: "2500",
        AFFIDAVIT_INFERENCE_TIMEOUT_MS: "1000",
        AFFIDAVIT_APPEND_TIMEOUT_MS: "1500",
        AFFIDAVIT_CHECKPOINT_INTERVAL_MS: "200",
      },
    });
    const { url, apiKey } = this.#service;
    this.#target = { url, apiKey: this.#target?.apiKey ?? apiKey };
  }

  #choose(victim: Victim, root: number): number {
    if (victim !== "backend") return findRole(root, victim);
    const backends = processTree(root).filter(({ role }) => role === "backend");
    return backends[Math.floor(this.#random() * backends.length)]!.pid;
  }

  #lastKeyset(): string | null {
    return this.#outcome.held.at(-1)?.answer.headers.get("affidavit-keyset") ?? null;
  }

  /** @param dead the keyset that nothing may be answered under any more */
  async #answersAgain(dead: string | null | undefined): Promise<void> {
    const end = Date.now() + 60_000;
    while (Date.now() < end) {
      const answer = await infer(this.#target!, smallCall("digits")).catch(() => undefined);
      if (answer?.status === 200 && answer.headers.get("affidavit-keyset") !== dead) return;
      await sleep(RETRY_MS);
    }
    throw new Error(`no answer within a minute:\n${this.service.output().slice(-4000)}`);
  }

  /** Every second caller names its requests, and asks for each until it has the answer. */
  async #caller(index: number): Promise<void> {
    while (!this.#over.signal.aborted) {
      const call: Call = smallCall(this.#random() < 0.5 ? "digits" : "breast-cancer", this.#random);
      if (index % 2 === 0) call.idempotencyKey = randomUUID();
      await this.#ask(call);
      await sleep(PAUSE_MS);
    }
  }

  async #ask(call: Call): Promise<void> {
    const { held, asked } = this.#outcome;
    const named = call.idempotencyKey !== undefined;
    asked.set(requestDigestOf(call), named ? "until answered" : "once");
    const end = Date.now() + 60_000;
    for (;;) {
      const answer = await infer(this.#target!, call).catch(() => undefined);
      if (answer?.status === 200) {
        outputOf(answer);
        held.push({ call, answer });
        return;
      }
      this.#tell(answer ? `${answer.status} ${answer.code}` : "unanswered");
      await sleep(RETRY_MS);
      if (!named) return;
      if (Date.now() > end) throw new Error("a request stayed without an answer for a minute");
    }
  }

  #tell(what: string): void {
    const { told } = this.#outcome;
    told.set(what, (told.get(what) ?? 0) + 1);
  }
}

/** A named request has one statement whatever happened; any other, sent once, at most one. */
function countStatements({ inferences }: Audit, asked: Outcome["asked"]): string[] {
  const counts = new Map<string, number>();
  for (const { requestDigest } of inferences.values()) {
    counts.set(requestDigest, (counts.get(requestDigest) ?? 0) + 1);
  }
  return [...asked].flatMap(([digest, how]) => {
    const count = counts.get(digest) ?? 0;
    const right = how === "once" ? count <= 1 : count === 1;
    return right ? [] : [`the request ${digest}, asked ${how}, has ${count} statements`];
  });
}

/** What callers were told that nothing excuses. */
export function inexcusable({ told }: Outcome): string[] {
  return [...told.keys()].filter((what) => what !== "unanswered" && !EXCUSES.has(what));
}

/** Of the environment, to repeat a run; else of the clock. */
export function chooseSeed(): number {
  const given = process.env["CHAOS_SEED"];
  return given === undefined ? Date.now() % 2 ** 32 : Number(given);
}

/** The victims of a run in a random order, each at least as often as the others less one. */
export function drawVictims(seed: number, count: number, from: readonly Victim[] = VICTIMS): Victim[] {
  const random = seededRandom(seed ^ 0x5eed);
  const all = Array.from({ length: count }, (_, index) => from[index % from.length]!);
  for (let last = all.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [all[last], all[other]] = [all[other]!, all[last]!];
  }
  return all;
}
