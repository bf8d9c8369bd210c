/** Image scaling on `[height, width, channel]` values. */
import { ProcessingError } from "./errors.ts";
import type { Value } from "./raw.ts";
import { MAX_ELEMENTS } from "./schema.ts";

/** For each place along an axis, the source places it mixes and their weights, which sum to 1. */
type Kernel = { index: number; weight: number }[][];

/** Half-pixel centres, edges repeated (as OpenCV's `INTER_LINEAR` in floating point). */
export function bilinearKernel(from: number, to: number): Kernel {
  return Array.from({ length: to }, (_, place) => {
    const centre = Math.min(Math.max(((place + 0.5) * from) / to - 0.5, 0), from - 1);
    const index = Math.floor(centre);
    const weight = centre - index;
    return weight === 0
      ? [{ index, weight: 1 }]
      : [
          { index, weight: 1 - weight },
          { index: index + 1, weight },
        ];
  });
}

/** Each target pixel is the mean of the source stretch it covers. */
export function areaKernel(from: number, to: number): Kernel {
  const span = from / to;
  return Array.from({ length: to }, (_, place) => {
    const start = (place * from) / to;
    const end = ((place + 1) * from) / to;
    const taps = [];
    for (let index = Math.floor(start); index < Math.min(Math.ceil(end), from); index++) {
      const cover = Math.min(end, index + 1) - Math.max(start, index);
      if (cover > 0) taps.push({ index, weight: cover / span });
    }
    return taps;
  });
}

/** Scales rows, then columns. @throws ProcessingError `image_too_large` */
export function resample(image: Value, rows: Kernel, columns: Kernel): Value {
  const [height = 0, width = 0, channels = 0] = image.shape;
  const largest = Math.max(height, rows.length) * Math.max(width, columns.length) * channels;
  if (largest > MAX_ELEMENTS) throw new ProcessingError("image_too_large", "the scaled image is too large");
  const tall = new Float64Array(rows.length * width * channels);
  const stride = width * channels;
  rows.forEach((taps, row) => {
    for (const { index, weight } of taps) {
      for (let i = 0; i < stride; i++) tall[row * stride + i]! += weight * image.data[index * stride + i]!;
    }
  });
  const data = new Float64Array(rows.length * columns.length * channels);
  for (let row = 0; row < rows.length; row++) {
    columns.forEach((taps, column) => {
      const target = (row * columns.length + column) * channels;
      for (const { index, weight } of taps) {
        const source = row * stride + index * channels;
        for (let channel = 0; channel < channels; channel++)
          data[target + channel]! += weight * tall[source + channel]!;
      }
    });
  }
  return { shape: [rows.length, columns.length, channels], data };
}
