/**
 * Asks log witnesses to cosign each checkpoint before it is published. One that does not answer in time is asked again
 * with every checkpoint but no longer waited for until it answers, so that it cannot slow the log down; what it signs late is
 * stored all the same.
 */
import { parseNote } from "../receipts/index.ts";
import { WitnessClient, type WitnessClientOptions, type WitnessReply } from "./witness-client.ts";
import type { WitnessSetting } from "./witness-setting.ts";

export interface WitnessingOptions extends Pick<WitnessClientOptions, "fetch" | "consistencyProof"> {
  witnesses: readonly WitnessSetting[];
  origin: string;
  timeoutMs: number;
  /** Stores signature lines that came after the checkpoint was published. */
  onLate: (note: string, lines: string[]) => Promise<void>;
  onEvent: (event: WitnessingEvent) => void;
}

/** What an operator should hear of; told when it changes, not with every checkpoint. */
export interface WitnessingEvent {
  kind: WitnessReply["kind"];
  witness: string;
}

/** Those whose last reply came by itself, whatever it said of the checkpoint. */
const ANSWERING = new Set<WitnessReply["kind"]>(["cosigned", "ahead"]);

interface Asked {
  client: WitnessClient;
  busy: boolean;
  last: WitnessReply["kind"] | undefined;
}

export class Witnessing {
  readonly #options: WitnessingOptions;
  readonly #asked: Asked[];

  constructor(options: WitnessingOptions) {
    this.#options = options;
    const { consistencyProof, fetch: request } = options;
    this.#asked = options.witnesses.map(({ key, url }) => ({
      client: new WitnessClient({ key, url, consistencyProof, ...(request && { fetch: request }) }),
      busy: false,
      last: undefined,
    }));
  }

  /** How many cosignatures a checkpoint can have. */
  get count(): number {
    return this.#asked.length;
  }

  /** The note with the cosignatures of those that answered in time. */
  async cosign(note: string): Promise<string> {
    const lines: string[] = [];
    let open = true;
    const awaited: Promise<void>[] = [];
    for (const asked of this.#asked.filter(({ busy }) => !busy)) {
      const isAwaited = asked.last === undefined || ANSWERING.has(asked.last);
      const done = this.#ask(asked, note).then(async (found) => {
        if (open) lines.push(...found);
        else if (found.length > 0) await this.#options.onLate(note, found);
      });
      // A failure to store a late line is no failure of the checkpoint: the line is asked for again.
      done.catch(() => undefined);
      if (isAwaited) awaited.push(done);
    }
    await withTimeout(Promise.allSettled(awaited), this.#options.timeoutMs);
    open = false;
    return note + lines.join("");
  }

  /** Asks again for a published checkpoint that some have not cosigned, without waiting. */
  complete(note: string): void {
    if (this.#asked.length === 0 || parseNote(note).signatures.length > this.#asked.length) return;
    void this.cosign(note).then((cosigned) => {
      const lines = cosigned
        .slice(note.length)
        .split(/(?<=\n)/)
        .filter((line) => line !== "");
      return lines.length > 0 ? this.#options.onLate(note, lines) : undefined;
    });
  }

  /**
   * The newest heads of the log that witnesses hold: signed notes, of which nothing is verified here.
   * @param note the newest checkpoint at hand, submitted to a witness that does not show what it holds: it tells its size
   */
  async heads(note: string | undefined): Promise<string[]> {
    const found = await Promise.all(
      this.#asked.map(async (asked) => {
        const held = await asked.client.held(this.#options.origin);
        if (held === "unreachable") return [];
        if (held.note === null && note !== undefined) await this.#ask(asked, note);
        return held.note ?? [];
      }),
    );
    return found.flat();
  }

  async #ask(asked: Asked, note: string): Promise<string[]> {
    asked.busy = true;
    try {
      const reply = await asked.client.cosign(note);
      if (reply.kind !== asked.last && (asked.last !== undefined || reply.kind !== "cosigned"))
        this.#options.onEvent({ kind: reply.kind, witness: asked.client.name });
      asked.last = reply.kind;
      return reply.kind === "cosigned" ? reply.lines : [];
    } finally {
      asked.busy = false;
    }
  }
}

/** Signature lines of a note beside the log's own, which is the first. */
export function cosignatureLines(note: string): string[] {
  const { text } = parseNote(note);
  return note
    .slice(text.length + 1)
    .split(/(?<=\n)/)
    .slice(1);
}

async function withTimeout(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeoutMs);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
