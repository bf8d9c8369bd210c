/** A sealed file that lies in the database in parts, read as if it were one file. Every byte of it is authenticated by whoever opens it. */
import { ModelError, type SealedReader } from "../../models/index.ts";
import { guarded, listParts, readPart, type PartPlace, type Transaction } from "../db/index.ts";

type Source = Pick<Transaction, "select">;

/** Two that are read by turns, since one segment is read ahead. */
const KEPT_PARTS = 2;

/** @throws ModelError `weights_missing`; DatabaseError */
export async function openParts(source: Source, uploadId: string): Promise<SealedReader> {
  const places = await guarded(listParts(source, uploadId));
  if (places.length === 0) throw missing();
  const kept = new Map<number, Promise<Uint8Array>>();
  const part = (start: number): Promise<Uint8Array> => {
    const known = kept.get(start);
    if (known) return known;
    const read = guarded(readPart(source, uploadId, start)).then(
      (bytes) => bytes ?? Promise.reject(missing()),
    );
    if (kept.size >= KEPT_PARTS) kept.delete(kept.keys().next().value!);
    kept.set(start, read);
    return read;
  };
  return {
    async readAt(target, position) {
      let filled = 0;
      while (filled < target.length) {
        const at = position + filled;
        const place = holding(places, at);
        if (!place) break;
        const bytes = await part(place.start);
        const piece = bytes.subarray(at - place.start, at - place.start + target.length - filled);
        if (piece.length === 0) break;
        target.set(piece, filled);
        filled += piece.length;
      }
      return filled;
    },
    async close() {
      kept.clear();
    },
  };
}

function holding(places: readonly PartPlace[], position: number): PartPlace | undefined {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle]!.start + places[middle]!.length <= position) low = middle + 1;
    else high = middle;
  }
  const found = places[low];
  return found && found.start <= position ? found : undefined;
}

function missing(): ModelError {
  return new ModelError("weights_missing", "the sealed weights are not in the database any more");
}
