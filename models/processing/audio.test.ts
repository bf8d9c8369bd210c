import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, utf8 } from "../../codec/index.ts";
import { parseWav } from "./audio.ts";

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

const chunk = (name: string, body: Uint8Array, size = body.length) =>
  concat(utf8(name), u32(size), body, new Uint8Array(body.length % 2));

function format(
  change: { tag?: number; channels?: number; rateHz?: number; bits?: number } = {},
): Uint8Array {
  const body = new DataView(new ArrayBuffer(16));
  body.setUint16(0, change.tag ?? 1, true);
  body.setUint16(2, change.channels ?? 1, true);
  body.setUint32(4, change.rateHz ?? 16_000, true);
  body.setUint16(14, change.bits ?? 16, true);
  return chunk("fmt ", new Uint8Array(body.buffer));
}

const wav = (...chunks: Uint8Array[]) => concat(utf8("RIFF"), u32(0), utf8("WAVE"), ...chunks);
const pcm = (...samples: number[]) => chunk("data", new Uint8Array(Int16Array.from(samples).buffer));

describe("parseWav", () => {
  it("reads samples as shares of full scale, past chunks it does not know", () => {
    const audio = parseWav(wav(chunk("LIST", Uint8Array.of(1, 2, 3)), format(), pcm(-32_768, 0, 16_384)));
    expect(audio).toEqual({ kind: "audio", sampleRateHz: 16_000, samples: Float32Array.of(-1, 0, 0.5) });
  });

  it.each([
    ["audio_invalid", new Uint8Array(0)],
    ["audio_invalid", utf8("RIFF....AVI ")],
    ["audio_invalid", wav()],
    ["audio_invalid", wav(format())],
    ["audio_invalid", wav(pcm(1))],
    ["audio_invalid", wav(format({ tag: 3 }), pcm(1))],
    ["audio_invalid", wav(format({ tag: 0xfffe }), pcm(1))],
    ["audio_invalid", wav(format({ bits: 8 }), pcm(1))],
    ["audio_invalid", wav(chunk("fmt ", new Uint8Array(14)), pcm(1))],
    ["audio_invalid", wav(format(), chunk("data", Uint8Array.of(1)))],
    ["audio_invalid", wav(format(), chunk("data", new Uint8Array(2), 4))],
    [
      "audio_invalid",
      wav(...Array.from({ length: 64 }, () => chunk("junk", new Uint8Array(0))), format(), pcm(1)),
    ],
    ["audio_not_mono", wav(format({ channels: 2 }), pcm(1, 2))],
    ["audio_too_long", wav(format(), chunk("data", new Uint8Array((1 << 24) + 2)))],
  ])("refuses with %s (case %#)", (code, bytes) => {
    expect(() => parseWav(bytes)).toThrow(expect.objectContaining({ code }));
  });

  it("gives audio or a ProcessingError for any bytes", () => {
    const good = wav(format(), pcm(1, 2, 3));
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, length) => {
        const bytes = good.slice(0, length);
        if (at < length) bytes[at] = byte;
        try {
          expect(parseWav(bytes).samples.length).toBeLessThanOrEqual(3);
        } catch (error) {
          expect(error).toMatchObject({ name: "ProcessingError" });
        }
      }),
    );
  });
});
