/**
 * As much of a WebAssembly assembler as one function over one page of memory needs: instructions are lists of bytes
 * (WebAssembly Core Specification 2.0, section 5).
 */

export const PAGE_BYTES = 65_536;

export const get = (local: number): number[] => [0x20, local];
export const set = (local: number): number[] => [0x21, local];
export const tee = (local: number): number[] => [0x22, local];

export const i32 = {
  constant: (value: number): number[] => [0x41, ...signed(value)],
  load: (offset: number): number[] => [0x28, 2, ...unsigned(offset)],
  store: (offset: number): number[] => [0x36, 2, ...unsigned(offset)],
  differ: [0x47],
  add: [0x6a],
  and: [0x71],
  or: [0x72],
  xor: [0x73],
  shiftRight: (bits: number): number[] => [0x41, ...signed(bits), 0x76],
  rotateRight: (bits: number): number[] => [0x41, ...signed(bits), 0x78],
};

export const i64 = {
  load: (offset: number): number[] => [0x29, 3, ...unsigned(offset)],
  store: (offset: number): number[] => [0x37, 3, ...unsigned(offset)],
  and: [0x83],
  xor: [0x85],
  not: [0x42, 0x7f, 0x85],
  rotateLeft: (bits: number): number[] => [0x42, ...signed(bits), 0x89],
};

/** Repeats `body` while the number that it leaves on the stack is not 0. */
export function loop(body: number[]): number[] {
  return [0x03, 0x40, ...body, 0x0d, 0, 0x0b];
}

export function each(count: number, emit: (i: number) => number[]): number[] {
  return Array.from({ length: count }, (_, i) => emit(i)).flat();
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const low = value & 127;
  const rest = value >> 7;
  const ends = (rest === 0 && low < 64) || (rest === -1 && low >= 64);
  return ends ? [low] : [low | 128, ...signed(rest)];
}

export interface Assembled {
  /** One page. */
  memory: Uint8Array;
  /** Takes one number, which is local 0. */
  run: (argument: number) => void;
}

/** The locals are the argument, then so many i32, then so many i64. */
export function assemble(locals: { i32: number; i64: number }, code: number[]): Assembled {
  const section = (id: number, content: number[]): number[] => [id, ...unsigned(content.length), ...content];
  const magicAndVersion = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const body = [2, ...unsigned(locals.i32), 0x7f, ...unsigned(locals.i64), 0x7e, ...code, 0x0b];
  const binary = Uint8Array.from([
    ...magicAndVersion,
    ...section(1, [1, 0x60, 1, 0x7f, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 1, 1, 1]),
    ...section(7, [2, 1, 0x6d, 2, 0, 1, 0x66, 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
  const { m, f } = new WebAssembly.Instance(new WebAssembly.Module(binary)).exports;
  return { memory: new Uint8Array((m as WebAssembly.Memory).buffer), run: f as Assembled["run"] };
}
