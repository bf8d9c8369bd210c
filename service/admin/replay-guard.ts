/** Lets each signed request in once: over all replicas by the database, and at this one also where that has forgotten. */
import { AdminError } from "../../administration/index.ts";
import { toHex } from "../../codec/index.ts";
import { useAdminNonce, type Database } from "../db/index.ts";

const MOST_HELD = 100_000;

export class ReplayGuard {
  readonly #database: Database;
  readonly #nowMs: () => number;
  /** Nonces by when they end: whoever restores or edits the database brings none of them back to life here. */
  readonly #seen = new Map<string, number>();

  constructor(database: Database, nowMs: () => number) {
    this.#database = database;
    this.#nowMs = nowMs;
  }

  /** @throws AdminError `admin_request_replayed`; DatabaseError */
  async use(nonce: Uint8Array, expiresAtMs: number): Promise<void> {
    const name = toHex(nonce);
    if (this.#seen.has(name)) throw replayed();
    if (this.#seen.size >= MOST_HELD) this.#sweep();
    this.#seen.set(name, expiresAtMs);
    if (!(await useAdminNonce(this.#database, nonce, new Date(expiresAtMs)))) throw replayed();
  }

  #sweep(): void {
    const nowMs = this.#nowMs();
    for (const [name, endsMs] of this.#seen) if (endsMs <= nowMs) this.#seen.delete(name);
  }
}

function replayed(): AdminError {
  return new AdminError("admin_request_replayed", "the signed request came before: sign it anew");
}
