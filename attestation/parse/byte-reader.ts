/** A reader of packed binary structures that never reads past the end it was given. */

export class ByteReader {
  readonly bytes: Uint8Array;
  private readonly fail: (message: string) => never;
  private position = 0;

  /** @param fail throws the error of whoever reads, where bytes are missing or left */
  constructor(bytes: Uint8Array, fail: (message: string) => never) {
    this.bytes = bytes;
    this.fail = fail;
  }

  get offset(): number {
    return this.position;
  }

  get left(): number {
    return this.bytes.length - this.position;
  }

  /** The next bytes, uncopied. */
  take(byteLength: number): Uint8Array {
    if (byteLength > this.left) this.fail(`cut short at byte ${this.position}`);
    this.position += byteLength;
    return this.bytes.subarray(this.position - byteLength, this.position);
  }

  u8(): number {
    return this.take(1)[0]!;
  }

  /** Unsigned little-endian integer of at most 6 bytes. */
  uint(byteLength: number): number {
    let value = 0;
    for (const [i, byte] of this.take(byteLength).entries()) value += byte * 256 ** i;
    return value;
  }

  /** Unsigned big-endian integer of at most 6 bytes. */
  uintBigEndian(byteLength: number): number {
    let value = 0;
    for (const byte of this.take(byteLength)) value = value * 256 + byte;
    return value;
  }

  finish(): void {
    if (this.left !== 0) this.fail(`${this.left} bytes too many`);
  }
}
