/** Netpbm images, PGM (P5) and PPM (P6), as the netpbm manual pages define them, and decoded pixels. */
import { ProcessingError } from "./errors.ts";

const MAX_PIXELS = 1 << 21;
const MAX_SIDE = 16_384;

/** Samples row by row, channels interleaved; `maximum` is the sample value of full intensity. */
export interface Image {
  kind: "image";
  width: number;
  height: number;
  /** 1 luma, 3 RGB, 4 RGBA (alpha is laid over white). */
  channels: 1 | 3 | 4;
  maximum: number;
  samples: Uint8Array | Uint8ClampedArray | Uint16Array;
}

/**
 * One P5 or P6 image, binary, 8 or 16 bits a sample (16 bits big-endian); nothing may follow it.
 * @throws ProcessingError `image_invalid`, `image_too_large`
 */
export function parseNetpbm(bytes: Uint8Array): Image {
  const magic = String.fromCharCode(bytes[0] ?? 0, bytes[1] ?? 0);
  if (magic !== "P5" && magic !== "P6")
    throw new ProcessingError("image_invalid", "not a PGM (P5) or PPM (P6)");
  const header = { offset: 2 };
  const width = readNumber(bytes, header, "width");
  const height = readNumber(bytes, header, "height");
  const maximum = readNumber(bytes, header, "maximum");
  if (!isSpace(bytes[header.offset]))
    throw new ProcessingError("image_invalid", "header does not end in a space");
  if (maximum < 1 || maximum > 65_535)
    throw new ProcessingError("image_invalid", "maximum is not 1 to 65535");
  checkSize(width, height);
  const channels = magic === "P5" ? 1 : 3;
  const count = width * height * channels;
  const body = bytes.subarray(header.offset + 1);
  const sampleBytes = maximum > 255 ? 2 : 1;
  if (body.length !== count * sampleBytes)
    throw new ProcessingError("image_invalid", "pixel data has the wrong length");
  const samples = sampleBytes === 1 ? body.slice() : bigEndian16(body);
  if (samples.some((sample) => sample > maximum))
    throw new ProcessingError("image_invalid", "a sample is over the maximum");
  return { kind: "image", width, height, channels, maximum, samples };
}

/**
 * An image to `[height, width, channel]` doubles in 0..1; colour becomes luma by ITU-R BT.601, luma becomes three
 * equal channels.
 * @throws ProcessingError `image_invalid`, `image_too_large`
 */
export function imageValue(image: Image, channels: 1 | 3): { shape: number[]; data: Float64Array } {
  const { width, height, samples, maximum } = image;
  checkSize(width, height);
  if (![1, 3, 4].includes(image.channels) || !(maximum >= 1 && maximum <= 65_535)) {
    throw new ProcessingError("image_invalid", "channels or maximum are out of range");
  }
  if (samples.length !== width * height * image.channels) {
    throw new ProcessingError("image_invalid", "pixel data has the wrong length");
  }
  const data = new Float64Array(width * height * channels);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [red, green, blue] = pixelColour(image, pixel);
    if (channels === 1) data[pixel] = image.channels === 1 ? red : 0.299 * red + 0.587 * green + 0.114 * blue;
    else data.set([red, green, blue], pixel * 3);
  }
  return { shape: [height, width, channels], data };
}

function pixelColour({ channels, samples, maximum }: Image, pixel: number): [number, number, number] {
  const at = (channel: number) => (samples[pixel * channels + channel] ?? 0) / maximum;
  if (channels === 1) return [at(0), at(0), at(0)];
  if (channels === 3) return [at(0), at(1), at(2)];
  const alpha = at(3);
  const overWhite = (channel: number) => at(channel) * alpha + (1 - alpha);
  return [overWhite(0), overWhite(1), overWhite(2)];
}

function checkSize(width: number, height: number): void {
  const sides = [width, height];
  if (!sides.every((side) => Number.isInteger(side) && side >= 1)) {
    throw new ProcessingError("image_invalid", "width and height must be positive integers");
  }
  if (sides.some((side) => side > MAX_SIDE) || width * height > MAX_PIXELS) {
    throw new ProcessingError("image_too_large", `an image may have ${MAX_PIXELS} pixels`);
  }
}

/** White space and `#` comments, then a decimal number of at most five digits. */
function readNumber(bytes: Uint8Array, header: { offset: number }, what: string): number {
  const start = header.offset;
  while (isSpace(bytes[header.offset]) || bytes[header.offset] === 0x23) {
    if (bytes[header.offset] === 0x23) {
      while (header.offset < bytes.length && bytes[header.offset] !== 0x0a) header.offset++;
    }
    header.offset++;
  }
  if (header.offset === start) throw new ProcessingError("image_invalid", `no space before ${what}`);
  let value = 0;
  let digits = 0;
  for (; digits <= 5; digits++, header.offset++) {
    const digit = (bytes[header.offset] ?? 0) - 0x30;
    if (!(digit >= 0 && digit <= 9)) break;
    value = value * 10 + digit;
  }
  if (digits === 0 || digits > 5)
    throw new ProcessingError("image_invalid", `${what} is not a number in range`);
  return value;
}

function isSpace(byte: number | undefined): boolean {
  return byte !== undefined && (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d));
}

function bigEndian16(body: Uint8Array): Uint16Array {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  return Uint16Array.from({ length: body.length / 2 }, (_, index) => view.getUint16(index * 2));
}
