/** WAV: RIFF little-endian, 16-bit linear PCM (format tag 1, or 0xFFFE with the PCM subformat). */
import { ProcessingError } from "./errors.ts";
import { MAX_ELEMENTS } from "./schema.ts";

const MAX_CHUNKS = 64;
const PCM = 1;
const EXTENSIBLE = 0xfffe;

export interface Audio {
  kind: "audio";
  sampleRateHz: number;
  /** One channel, -1..1. */
  samples: Float32Array;
}

/**
 * A sample s of the file becomes s / 32768.
 * @throws ProcessingError `audio_invalid`, `audio_not_mono`, `audio_too_long`
 */
export function parseWav(bytes: Uint8Array): Audio {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || tag(bytes, 0) !== "RIFF" || tag(bytes, 8) !== "WAVE") {
    throw new ProcessingError("audio_invalid", "not a WAV file");
  }
  let sampleRateHz: number | undefined;
  let offset = 12;
  for (let chunk = 0; chunk < MAX_CHUNKS && offset + 8 <= bytes.length; chunk++) {
    const name = tag(bytes, offset);
    const size = view.getUint32(offset + 4, true);
    const start = offset + 8;
    if (start + size > bytes.length)
      throw new ProcessingError("audio_invalid", `chunk "${name}" is cut short`);
    if (name === "fmt ") sampleRateHz = parseFormat(view, start, size);
    if (name === "data") {
      if (sampleRateHz === undefined)
        throw new ProcessingError("audio_invalid", "samples come before their format");
      return { kind: "audio", sampleRateHz, samples: pcm16(view, start, size) };
    }
    // chunks are padded to an even length
    offset = start + size + (size % 2);
  }
  throw new ProcessingError("audio_invalid", "no samples found");
}

/** @returns the sample rate in hertz */
function parseFormat(view: DataView, start: number, size: number): number {
  if (size < 16) throw new ProcessingError("audio_invalid", "format chunk is too short");
  const format = view.getUint16(start, true);
  const subformat = format === EXTENSIBLE && size >= 26 ? view.getUint16(start + 24, true) : format;
  if (subformat !== PCM || view.getUint16(start + 14, true) !== 16) {
    throw new ProcessingError("audio_invalid", "not 16-bit PCM");
  }
  if (view.getUint16(start + 2, true) !== 1)
    throw new ProcessingError("audio_not_mono", "more than one channel");
  return view.getUint32(start + 4, true);
}

function pcm16(view: DataView, start: number, size: number): Float32Array {
  if (size % 2 !== 0) throw new ProcessingError("audio_invalid", "half a sample at the end");
  if (size / 2 > MAX_ELEMENTS)
    throw new ProcessingError("audio_too_long", `audio may have ${MAX_ELEMENTS} samples`);
  return Float32Array.from(
    { length: size / 2 },
    (_, index) => view.getInt16(start + index * 2, true) / 32_768,
  );
}

function tag(bytes: Uint8Array, offset: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + 4));
}
