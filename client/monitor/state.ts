/** What a monitor knows of a log: enough to notice that it changed its past. JSON, so that it can be kept in a file. */
import { fromHex, toHex, CodecError } from "../../codec/index.ts";
import { CompactRange, ReceiptError, type NoteKey } from "../../receipts/index.ts";

export interface MonitorState {
  log: NoteKey;
  /** The leaves read so far. */
  range: CompactRange;
  /** The signed note whose root those leaves gave; undefined before the first. */
  checkpoint: string | undefined;
  /** Receipt address (20 bytes) by the hex of the keyset's digest, of keysets that are in the log. */
  keysets: Map<string, Uint8Array>;
}

const MAX_KEYSETS = 1_000_000;

export function newState(log: NoteKey): MonitorState {
  return { log, range: CompactRange.empty(), checkpoint: undefined, keysets: new Map() };
}

export function stateToJson({ log, range, checkpoint, keysets }: MonitorState): string {
  return JSON.stringify({
    formatVersion: 1,
    origin: log.name,
    publicKey: toHex(log.publicKey),
    range: toHex(range.encode()),
    checkpoint: checkpoint ?? null,
    keysets: Object.fromEntries([...keysets].map(([digest, address]) => [digest, toHex(address)])),
  });
}

/** A state that cannot be read must not be taken for an empty one: that would forget what the log once said. */
export class StateError extends Error {
  override readonly name = "StateError";
  readonly code = "state_invalid";
}

/** @throws StateError */
export function stateFromJson(text: string): MonitorState {
  try {
    const document = (JSON.parse(text) ?? {}) as Record<string, unknown>;
    const { formatVersion, origin, publicKey, range, checkpoint, keysets } = document;
    const sound =
      formatVersion === 1 &&
      typeof origin === "string" &&
      typeof publicKey === "string" &&
      typeof range === "string" &&
      (checkpoint === null || typeof checkpoint === "string") &&
      typeof keysets === "object" &&
      keysets !== null;
    if (!sound) throw new StateError("the state is not a monitor's");
    const entries = Object.entries(keysets);
    if (entries.length > MAX_KEYSETS) throw new StateError("the state names too many keysets");
    return {
      log: { name: origin, publicKey: fromHex(publicKey, 32) },
      range: CompactRange.decode(fromHex(range)),
      checkpoint: checkpoint ?? undefined,
      keysets: new Map(
        entries.map(([digest, address]) => [toHex(fromHex(digest, 32)), fromHex(String(address), 20)]),
      ),
    };
  } catch (cause) {
    if (cause instanceof StateError) throw cause;
    if (cause instanceof SyntaxError || cause instanceof CodecError || cause instanceof ReceiptError)
      throw new StateError("the state is damaged", { cause });
    throw cause;
  }
}
