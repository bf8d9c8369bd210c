import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { areaKernel, bilinearKernel, resample } from "./resample.ts";

const size = fc.integer({ min: 1, max: 40 });
const kernels = [
  ["area", areaKernel],
  ["bilinear", bilinearKernel],
] as const;

describe.each(kernels)("%s", (_, kernel) => {
  it("mixes places inside the source, with weights that sum to 1", () => {
    fc.assert(
      fc.property(size, size, (from, to) => {
        const places = kernel(from, to);
        expect(places.length).toBe(to);
        for (const taps of places) {
          expect(taps.every(({ index, weight }) => index >= 0 && index < from && weight > 0)).toBe(true);
          expect(taps.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 10);
        }
      }),
    );
  });

  it("leaves an image of the wanted size as it is", () => {
    const image = { shape: [2, 3, 1], data: Float64Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6) };
    expect(resample(image, kernel(2, 2), kernel(3, 3))).toEqual(image);
  });
});

describe("resample", () => {
  it("halves by means of four, as area and as bilinear", () => {
    const image = { shape: [2, 2, 1], data: Float64Array.of(0, 1, 2, 5) };
    for (const [, kernel] of kernels)
      expect([...resample(image, kernel(2, 1), kernel(2, 1)).data]).toEqual([2]);
  });

  it("doubles by half-pixel centres", () => {
    const image = { shape: [1, 2, 1], data: Float64Array.of(0, 1) };
    expect([...resample(image, bilinearKernel(1, 1), bilinearKernel(2, 4)).data]).toEqual([0, 0.25, 0.75, 1]);
  });

  it("keeps channels apart", () => {
    const image = { shape: [1, 2, 2], data: Float64Array.of(0, 10, 1, 20) };
    expect([...resample(image, areaKernel(1, 1), areaKernel(2, 1)).data]).toEqual([0.5, 15]);
  });

  it("refuses a result beyond its bound", () => {
    const image = { shape: [1, 1, 3], data: new Float64Array(3) };
    const large = areaKernel(1, 4096);
    expect(() => resample(image, large, large)).toThrow(expect.objectContaining({ code: "image_too_large" }));
  });
});
