/** What a monitor knows of a log: enough to notice that it changed its past. JSON, so that it can be kept in a file. */
import { fromHex, toHex, CodecError } from "../../codec/index.ts";
import { CompactRange, MAX_REVOCATIONS, ReceiptError, type NoteKey } from "../../receipts/index.ts";

export interface MonitorState {
  log: NoteKey;
  /** The leaves read so far. */
  range: CompactRange;
  /** The signed note whose root those leaves gave; undefined before the first. */
  checkpoint: string | undefined;
  /** Receipt address (20 bytes) by the hex of the keyset's digest, of keysets that are in the log. */
  keysets: Map<string, Uint8Array>;
  /** Hex of the leaf's hash by leaf index, of the revocations among the leaves read. */
  revocations: Map<bigint, string>;
  /** The same of revocations that the service listed before their leaves were read. */
  listed: Map<bigint, string>;
}

const FORMAT_VERSION = 2;
const MAX_KEYSETS = 1_000_000;

export function newState(log: NoteKey): MonitorState {
  const nothing = { keysets: new Map(), revocations: new Map(), listed: new Map() };
  return { log, range: CompactRange.empty(), checkpoint: undefined, ...nothing };
}

export function stateToJson(state: MonitorState): string {
  const { log, range, checkpoint, keysets, revocations, listed } = state;
  return JSON.stringify({
    formatVersion: FORMAT_VERSION,
    origin: log.name,
    publicKey: toHex(log.publicKey),
    range: toHex(range.encode()),
    checkpoint: checkpoint ?? null,
    keysets: Object.fromEntries([...keysets].map(([digest, address]) => [digest, toHex(address)])),
    revocations: leavesToJson(revocations),
    listed: leavesToJson(listed),
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
    const { formatVersion, origin, publicKey, range, checkpoint, keysets, revocations, listed } = document;
    const sound =
      formatVersion === FORMAT_VERSION &&
      typeof origin === "string" &&
      typeof publicKey === "string" &&
      typeof range === "string" &&
      (checkpoint === null || typeof checkpoint === "string") &&
      isObject(keysets) &&
      isObject(revocations) &&
      isObject(listed);
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
      revocations: leavesFromJson(revocations),
      listed: leavesFromJson(listed),
    };
  } catch (cause) {
    if (cause instanceof StateError) throw cause;
    if (cause instanceof SyntaxError || cause instanceof CodecError || cause instanceof ReceiptError)
      throw new StateError("the state is damaged", { cause });
    throw cause;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function leavesToJson(leaves: ReadonlyMap<bigint, string>): Record<string, string> {
  return Object.fromEntries([...leaves].map(([index, hash]) => [index.toString(), hash]));
}

function leavesFromJson(value: object): Map<bigint, string> {
  const entries = Object.entries(value);
  if (entries.length > MAX_REVOCATIONS) throw new StateError("the state names too many revocations");
  return new Map(
    entries.map(([index, hash]) => {
      if (!/^(0|[1-9][0-9]{0,18})$/.test(index)) throw new StateError("the state names a leaf that is none");
      return [BigInt(index), toHex(fromHex(String(hash), 32))];
    }),
  );
}
