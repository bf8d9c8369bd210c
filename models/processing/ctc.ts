/** Greedy decoding of a CTC recogniser's best classes. */
import { fromUtf8, sha256, toHex } from "../../codec/index.ts";
import { ProcessingError } from "./errors.ts";
import type { Value } from "./raw.ts";
import type { Asset } from "./schema.ts";

/** Bounds of what a text can grow to, whatever a manifest says. */
const MAX_LINE_LENGTH = 32;
const MAX_STEPS = 65_536;

/** Files that processing needs, by the lower-case hex of their SHA-256. */
export type Assets = ReadonlyMap<string, Uint8Array>;

/**
 * A dictionary's characters, one a line; a last line feed is not a line.
 * @throws ProcessingError `asset_missing`, `asset_digest_mismatch`, `asset_invalid`
 */
export function readDictionary(asset: Asset, assets: Assets): string[] {
  const bytes = assets.get(asset.sha256);
  if (bytes === undefined) throw new ProcessingError("asset_missing", `${asset.file} is needed`);
  if (bytes.length !== asset.bytes || toHex(sha256(bytes)) !== asset.sha256) {
    throw new ProcessingError(
      "asset_digest_mismatch",
      `${asset.file} is not the file that the manifest names`,
    );
  }
  const lines = splitLines(asset, bytes);
  if (lines.some(({ length }) => length > MAX_LINE_LENGTH)) {
    throw new ProcessingError(
      "asset_invalid",
      `${asset.file} has a line of more than ${MAX_LINE_LENGTH} characters`,
    );
  }
  return lines;
}

function splitLines(asset: Asset, bytes: Uint8Array): string[] {
  try {
    return fromUtf8(bytes)
      .replace(/\r?\n$/, "")
      .split(/\r?\n/);
  } catch (cause) {
    throw new ProcessingError("asset_invalid", `${asset.file} is not UTF-8`, { cause });
  }
}

/**
 * The best classes of a line's steps to text: repeats merged, blanks (class 0) dropped. `characters[0]` stands for the
 * blank. `probability` is the mean over the kept steps, or 0 where no character was read.
 * @throws ProcessingError `shape_mismatch`, `output_invalid` where an index is of no character
 */
export function decodeCtcPath(
  indices: Value,
  probabilities: Value,
  characters: readonly string[],
): { text: string; probability: number } {
  const steps = indices.shape.at(-1) ?? 0;
  if (steps === 0 || steps !== indices.data.length || steps > MAX_STEPS) {
    throw new ProcessingError(
      "shape_mismatch",
      `shape [${indices.shape}] is not one line of at most ${MAX_STEPS} steps`,
    );
  }
  if (String(probabilities.shape) !== String(indices.shape)) {
    throw new ProcessingError(
      "shape_mismatch",
      `shape [${probabilities.shape}] of the probabilities is not [${indices.shape}]`,
    );
  }
  let text = "";
  let sum = 0;
  let kept = 0;
  let last = 0;
  for (const [step, best] of indices.data.entries()) {
    const character = characters[best];
    if (character === undefined) {
      throw new ProcessingError("output_invalid", `step ${step} is class ${best} of ${characters.length}`);
    }
    if (best !== 0 && best !== last) {
      text += character;
      sum += probabilities.data[step]!;
      kept++;
    }
    last = best;
  }
  return { text, probability: kept === 0 ? 0 : sum / kept };
}
