/**
 * SHA-256 (FIPS 180-4) of short messages, and HMAC and HKDF over it, as a WebAssembly function. OpenSSL's is faster from a
 * few blocks on; below that, setting up a call to it costs several times the hash.
 *
 * Memory: the chaining value (8 words), the digest (32 bytes, big-endian), then the message's blocks of 64 bytes.
 */
import { assemble, each, get, i32, loop, set, tee } from "./wasm.node.ts";

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
const DIGEST = 32;
const INPUT = 64;
const MAX_BLOCKS = 4;
/** Longest message that is faster here than by OpenSSL, whose set-up costs as much as four blocks. */
export const SHORT_BYTES = MAX_BLOCKS * BLOCK_BYTES - 9;

/** Locals: blocks left, input pointer, a word under way, then the working variables and the message schedule. */
const [LEFT, FROM, WORD] = [0, 1, 2];
const V = 3;
const W = V + 8;

function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n);
  return found;
}

/** The first 32 bits of the fraction. */
const fraction = (root: number): number => Math.floor((root % 1) * 2 ** 32) | 0;
const K = primes(64).map((prime) => fraction(Math.cbrt(prime)));
const INITIAL = Uint32Array.from(primes(8), (prime) => fraction(Math.sqrt(prime)));

const turned = (local: number, first: number, second: number, last: number[]): number[] => [
  ...get(local),
  ...i32.rotateRight(first),
  ...get(local),
  ...i32.rotateRight(second),
  ...i32.xor,
  ...get(local),
  ...last,
  ...i32.xor,
];

/** The word on the stack with its bytes in the other order. */
const swapped = [
  ...tee(WORD),
  ...i32.rotateRight(8),
  ...i32.constant(0xff00ff00 | 0),
  ...i32.and,
  ...get(WORD),
  ...i32.rotateRight(24),
  ...i32.constant(0x00ff00ff),
  ...i32.and,
  ...i32.or,
];

/** Section 6.2.2 step 1: from round 16 on each word replaces the one of 16 rounds ago. */
function schedule(i: number): number[] {
  const word = (back: number): number => W + ((i - back) & 15);
  return [
    ...turned(word(15), 7, 18, i32.shiftRight(3)),
    ...get(word(16)),
    ...i32.add,
    ...get(word(7)),
    ...i32.add,
    ...turned(word(2), 17, 19, i32.shiftRight(10)),
    ...i32.add,
    ...set(word(16)),
  ];
}

/** Step 3. The variables change places by their numbers: what a round calls `a`, the next calls `b`. */
function round(i: number): number[] {
  const [a, b, c, d, e, f, g, h] = Array.from({ length: 8 }, (_, k) => V + ((k - i) & 7)) as number[] &
    Record<0 | 1 | 2 | 3 | 4 | 5 | 6 | 7, number>;
  const choice = [...get(f), ...get(g), ...i32.xor, ...get(e), ...i32.and, ...get(g), ...i32.xor];
  const either = [...get(a), ...get(b), ...i32.xor, ...get(c), ...i32.and];
  const majority = [...either, ...get(a), ...get(b), ...i32.and, ...i32.xor];
  return [
    ...(i < 16 ? [] : schedule(i)),
    ...get(h),
    ...turned(e, 6, 11, i32.rotateRight(25)),
    ...i32.add,
    ...choice,
    ...i32.add,
    ...i32.constant(K[i]!),
    ...i32.add,
    ...get(W + (i & 15)),
    ...i32.add,
    ...tee(WORD),
    ...get(d),
    ...i32.add,
    ...set(d),
    ...get(WORD),
    ...turned(a, 2, 13, i32.rotateRight(22)),
    ...i32.add,
    ...majority,
    ...i32.add,
    ...set(h),
  ];
}

/** (blocks): takes so many blocks from INPUT into the chaining value, and writes that as a digest. At least one. */
function compressCode(): number[] {
  const block = [
    ...each(16, (i) => [...get(FROM), ...i32.load(4 * i), ...swapped, ...set(W + i)]),
    ...each(8, (i) => [...i32.constant(0), ...i32.load(4 * i), ...set(V + i)]),
    ...each(64, round),
    ...each(8, (i) => [
      ...i32.constant(0),
      ...i32.constant(0),
      ...i32.load(4 * i),
      ...get(V + i),
      ...i32.add,
      ...i32.store(4 * i),
    ]),
    ...get(FROM),
    ...i32.constant(BLOCK_BYTES),
    ...i32.add,
    ...set(FROM),
    ...get(LEFT),
    ...i32.constant(-1),
    ...i32.add,
    ...tee(LEFT),
  ];
  return [
    ...i32.constant(INPUT),
    ...set(FROM),
    ...loop(block),
    ...each(8, (i) => [
      ...i32.constant(0),
      ...i32.constant(0),
      ...i32.load(4 * i),
      ...swapped,
      ...i32.store(DIGEST + 4 * i),
    ]),
  ];
}

const { memory, run: compress } = assemble({ i32: 2 + 8 + 16, i64: 0 }, compressCode());
const chaining = new Uint32Array(memory.buffer, 0, 8);
const input = memory.subarray(INPUT, INPUT + MAX_BLOCKS * BLOCK_BYTES);
const lengthView = new DataView(input.buffer, input.byteOffset, input.length);

/** Hashes the `byteLength` bytes at the start of `input`, after `hashedBytes` that `chaining` holds. Wipes both. */
function finish(byteLength: number, hashedBytes: number): Uint8Array {
  const blocks = Math.ceil((byteLength + 9) / BLOCK_BYTES);
  input[byteLength] = 0x80;
  lengthView.setUint32(blocks * BLOCK_BYTES - 4, 8 * (byteLength + hashedBytes));
  compress(blocks);
  const digest = memory.slice(DIGEST, DIGEST + HASH_BYTES);
  memory.fill(0, 0, INPUT + blocks * BLOCK_BYTES);
  return digest;
}

/** Copies parts of together at most {@link SHORT_BYTES} into `input`. */
function place(parts: readonly Uint8Array[]): number {
  let byteLength = 0;
  for (const part of parts) {
    input.set(part, byteLength);
    byteLength += part.length;
  }
  return byteLength;
}

/** SHA-256 of parts of together at most {@link SHORT_BYTES}: 32 bytes. */
export function shortSha256(parts: readonly Uint8Array[]): Uint8Array {
  const byteLength = place(parts);
  chaining.set(INITIAL);
  return finish(byteLength, 0);
}

/** HMAC-SHA-256 (RFC 2104) with a key of at most 64 bytes and parts of together at most {@link SHORT_BYTES}: 32 bytes. */
export function shortHmacSha256(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  absorbKey(key, 0x36);
  const inner = finish(place(parts), BLOCK_BYTES);
  absorbKey(key, 0x5c);
  input.set(inner);
  return finish(HASH_BYTES, BLOCK_BYTES);
}

function absorbKey(key: Uint8Array, pad: number): void {
  input.fill(pad, 0, BLOCK_BYTES);
  for (let i = 0; i < key.length; i++) input[i]! ^= key[i]!;
  chaining.set(INITIAL);
  compress(1);
  input.fill(0, 0, BLOCK_BYTES);
}
