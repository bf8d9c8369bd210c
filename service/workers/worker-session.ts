/** One worker elsewhere, from its admission to its end: what it may see, and what it is at work on. */
import { randomUUID } from "node:crypto";
import type { Vault } from "../../vault/index.ts";
import type { Account } from "../services.ts";
import type { DocumentRow } from "../db/index.ts";
import type { RemoteTask } from "./remote-task.ts";

/** Of a worker whose evidence the vault accepted. */
export interface Attested {
  /** Which alone knows the admission. */
  vault: Vault;
  /** Names the admission to the vault: 32 bytes. */
  nonce: Uint8Array;
  /** Attestation result, evidence and endorsements, which each release names or rests on. */
  documents: DocumentRow[];
}

/** As many as the vault gives keys to one admission. */
const MAX_TASKS = 64;
const FAILURES_IN_A_ROW = 3;

export class WorkerSession {
  readonly id = randomUUID();
  readonly account: Account;
  /** Undefined where nobody vouches for it: it sees public inputs alone. */
  readonly attested: Attested | undefined;
  readonly expiresAtMs: number;
  task: { id: string; remote: RemoteTask } | undefined;
  /** Whether a request of it waits for a task. */
  isWaiting = false;
  #tasks = 0;
  #failures = 0;

  constructor(account: Account, attested: Attested | undefined, expiresAtMs: number) {
    this.account = account;
    this.attested = attested;
    this.expiresAtMs = expiresAtMs;
  }

  /** Whether it gets no further task: it then shows fresh evidence. */
  isOver(nowMs: number): boolean {
    return nowMs >= this.expiresAtMs || this.#tasks >= MAX_TASKS;
  }

  /** Whether it has not said yet how its task ended. */
  get isWorking(): boolean {
    return this.task !== undefined && !this.task.remote.hasEnded;
  }

  begin(remote: RemoteTask): string {
    this.#tasks++;
    this.task = { id: randomUUID(), remote };
    return this.task.id;
  }

  /** @returns whether it has failed too often in a row to be given more */
  end(well: boolean): boolean {
    this.task = undefined;
    this.#failures = well ? 0 : this.#failures + 1;
    return this.#failures >= FAILURES_IN_A_ROW;
  }
}
