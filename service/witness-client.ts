/** One log witness as the service asks it (c2sp.org/tlog-witness). What it answers is hostile until its key says otherwise. */
import { equal, sha256, toHex, utf8 } from "../codec/index.ts";
import {
  formatAddCheckpoint,
  formatNote,
  MAX_NOTE_LENGTH,
  NOTE_TYPE_COSIGNATURE,
  noteKeyId,
  parseCheckpoint,
  parseNote,
  ReceiptError,
  verifyCosignatures,
  type NoteKey,
} from "../receipts/index.ts";

/** Longer than any wait for it: one that is only slow still gets its cosignature stored. */
const REQUEST_TIMEOUT_MS = 10_000;
/** What a start may wait for a witness that is away. */
const START_TIMEOUT_MS = 3_000;
const MAX_ANSWER_BYTES = 32 * 1024;

export type WitnessReply =
  /** Signature lines with their newlines, verified. */
  | { kind: "cosigned"; lines: string[] }
  /** It holds a larger head than ours: another replica's, or one of a log that our database lost. */
  | { kind: "ahead"; size: bigint }
  /** It says that ours is not the log that it knows. */
  | { kind: "fork" }
  | { kind: "refused"; status: number }
  | { kind: "unreachable" };

export interface WitnessClientOptions {
  key: NoteKey;
  url: string;
  fetch?: typeof fetch;
  consistencyProof: (first: bigint, second: bigint) => Promise<Uint8Array[]>;
}

export class WitnessClient {
  readonly name: string;
  readonly #options: WitnessClientOptions;
  /** What it held when it last said so. */
  #heldSize = 0n;

  constructor(options: WitnessClientOptions) {
    this.name = options.key.name;
    this.#options = options;
  }

  /** @param note a checkpoint that the log key signed */
  async cosign(note: string): Promise<WitnessReply> {
    const { size } = parseCheckpoint(note);
    // A second try starts from what the first was told; a third would chase somebody else.
    for (let left = 2; left > 0; left--) {
      const from = this.#heldSize <= size ? this.#heldSize : 0n;
      const answer = await this.#submit(note, from, size);
      if (answer === undefined) return { kind: "unreachable" };
      if (answer.status === 200) return this.#read(note, size, answer.body);
      if (answer.status !== 409) return { kind: answer.status === 422 ? "fork" : "refused", ...answer };
      const held = readSize(answer.body);
      if (held === undefined) return { kind: "refused", status: 409 };
      if (held > size) return { kind: "ahead", size: held };
      if (held === from) return { kind: "fork" };
      this.#heldSize = held;
    }
    return { kind: "refused", status: 409 };
  }

  /** The signed note that it holds, of which nothing is verified; null where it does not show that. */
  async held(origin: string): Promise<{ note: string | null } | "unreachable"> {
    const path = `/checkpoint/${toHex(sha256(utf8(origin)))}`;
    const answer = await this.#exchange(path, { method: "GET" }, START_TIMEOUT_MS);
    if (answer === undefined) return "unreachable";
    return { note: answer.status === 200 ? answer.body : null };
  }

  async #submit(
    note: string,
    from: bigint,
    size: bigint,
  ): Promise<{ status: number; body: string } | undefined> {
    const proof = await this.#options.consistencyProof(from, size);
    const body = formatAddCheckpoint({ oldSize: from, proof, checkpoint: note });
    return await this.#exchange("/add-checkpoint", { method: "POST", body });
  }

  async #exchange(
    path: string,
    init: RequestInit,
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<{ status: number; body: string } | undefined> {
    const request = this.#options.fetch ?? fetch;
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await request(this.#options.url + path, { ...init, redirect: "error", signal });
      const body = await readBounded(response);
      return body === undefined ? undefined : { status: response.status, body };
    } catch {
      // Whatever the network did, there is no cosignature; the next checkpoint asks again.
      return undefined;
    }
  }

  #read(note: string, size: bigint, body: string): WitnessReply {
    const { key } = this.#options;
    try {
      const { text, signatures } = parseNote(`${parseNote(note).text}\n${body}`);
      const id = noteKeyId(key.name, NOTE_TYPE_COSIGNATURE, key.publicKey);
      const own = signatures.filter(({ keyName, keyId }) => keyName === key.name && equal(keyId, id));
      const [first] = own;
      if (first && verifyCosignatures({ text, signatures: [first] }, [key]).length === 1) {
        this.#heldSize = size;
        return {
          kind: "cosigned",
          lines: [formatNote({ text, signatures: [first] }).slice(text.length + 1)],
        };
      }
    } catch (error) {
      if (!(error instanceof ReceiptError)) throw error;
    }
    return { kind: "refused", status: 200 };
  }
}

function readSize(body: string): bigint | undefined {
  const size = /^(0|[1-9][0-9]{0,18})\n$/.exec(body)?.[1];
  return size === undefined ? undefined : BigInt(size);
}

/** @returns undefined where the answer is longer than any that is meant */
async function readBounded(response: Response): Promise<string | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const limit = Math.max(MAX_ANSWER_BYTES, MAX_NOTE_LENGTH);
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > limit) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
