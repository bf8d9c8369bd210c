import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, utf8 } from "../../codec/index.ts";
import { imageValue, parseNetpbm } from "./image.ts";

const file = (header: string, ...samples: number[]) => concat(utf8(header), Uint8Array.from(samples));

describe("parseNetpbm", () => {
  it("reads grey, colour, comments and 16-bit samples", () => {
    expect(parseNetpbm(file("P5 2 1 255\n", 0, 255))).toMatchObject({
      width: 2,
      height: 1,
      channels: 1,
      maximum: 255,
    });
    expect(parseNetpbm(file("P6\n# made by hand\n1 # one\n1\n9\n", 1, 2, 3)).samples).toEqual(
      Uint8Array.of(1, 2, 3),
    );
    expect(parseNetpbm(file("P5 1 1 65535\n", 1, 2)).samples).toEqual(Uint16Array.of(0x0102));
  });

  it.each([
    ["image_invalid", file("P4 1 1 1\n", 0)],
    ["image_invalid", file("P2 1 1 1\n", 0)],
    ["image_invalid", file("")],
    ["image_invalid", file("P5")],
    ["image_invalid", file("P51 1 1\n", 0)],
    ["image_invalid", file("P5 1 1 0\n", 0)],
    ["image_invalid", file("P5 1 1 65536\n", 0, 0)],
    ["image_invalid", file("P5 0 1 255\n")],
    ["image_invalid", file("P5 -1 1 255\n", 0)],
    ["image_invalid", file("P5 1 1 255", 0)],
    ["image_invalid", file("P5 1 1 255\n")],
    ["image_invalid", file("P5 1 1 255\n", 0, 0)],
    ["image_invalid", file("P5 1 1 16\n", 17)],
    ["image_invalid", file("P5 100000 1 255\n")],
    ["image_invalid", file("P5 1 1 255 # never ends")],
    ["image_too_large", file("P5 99999 1 255\n")],
    ["image_too_large", file("P6 16384 16384 255\n")],
  ])("refuses with %s (case %#)", (code, bytes) => {
    expect(() => parseNetpbm(bytes)).toThrow(expect.objectContaining({ code }));
  });

  it("gives an image or a ProcessingError for any bytes", () => {
    const bytes = fc.tuple(
      fc.constantFrom("P5", "P6", "P5 1 1", "P6 2 2 255 ", ""),
      fc.uint8Array({ maxLength: 40 }),
    );
    fc.assert(
      fc.property(bytes, ([header, rest]) => {
        try {
          const { width, height, channels, samples } = parseNetpbm(concat(utf8(header), rest));
          expect(samples.length).toBe(width * height * channels);
        } catch (error) {
          expect(error).toMatchObject({ name: "ProcessingError" });
        }
      }),
    );
  });

  it("reads back every image that is written", () => {
    const side = fc.integer({ min: 1, max: 9 });
    const pixels = fc.uint8Array({ minLength: 243, maxLength: 243 });
    fc.assert(
      fc.property(side, side, fc.constantFrom(1, 3), pixels, (width, height, channels, pool) => {
        const samples = pool.slice(0, width * height * channels);
        const header = `${channels === 1 ? "P5" : "P6"}\n${width} ${height}\n255\n`;
        const image = { kind: "image", width, height, channels, maximum: 255, samples };
        expect(parseNetpbm(concat(utf8(header), samples))).toEqual(image);
      }),
    );
  });
});

const rgba = (...samples: number[]) =>
  ({
    kind: "image",
    width: 1,
    height: 1,
    channels: 4,
    maximum: 255,
    samples: Uint8Array.from(samples),
  }) as const;

describe("imageValue", () => {
  it("turns colour to luma, grey to three channels, and lays alpha over white", () => {
    expect(imageValue(parseNetpbm(file("P6 1 1 255\n", 255, 0, 0)), 1).data[0]).toBe(0.299);
    expect([...imageValue(parseNetpbm(file("P5 1 1 255\n", 51)), 3).data]).toEqual([0.2, 0.2, 0.2]);
    expect([...imageValue(rgba(0, 0, 0, 0), 3).data]).toEqual([1, 1, 1]);
    expect([...imageValue(rgba(255, 0, 51, 255), 3).data]).toEqual([1, 0, 0.2]);
  });

  it("refuses pixels that are not what the size says", () => {
    const short = { ...rgba(1, 2, 3, 4), width: 2 };
    expect(() => imageValue(short, 3)).toThrow(expect.objectContaining({ code: "image_invalid" }));
    expect(() => imageValue({ ...short, width: 1.5 }, 3)).toThrow(
      expect.objectContaining({ code: "image_invalid" }),
    );
    expect(() => imageValue({ ...short, width: 1e9 }, 3)).toThrow(
      expect.objectContaining({ code: "image_too_large" }),
    );
  });
});
