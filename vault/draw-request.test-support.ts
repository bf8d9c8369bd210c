/** Well-formed messages of any shape: the shape reads from a source that makes its bytes up, and those bytes are the message. */
import { VaultError } from "./error.ts";
import { Cursor, type Shape } from "./wire/shape.ts";

/** A count, a length or a number: mostly small, so that most messages keep the bounds of their shape. */
const SMALL = 48;

class DrawingCursor extends Cursor {
  readonly drawn: Buffer[] = [];
  readonly #random: () => number;

  constructor(random: () => number) {
    super(Buffer.alloc(0));
    this.#random = random;
  }

  override take(byteLength: number): Buffer {
    const bytes = this.#draw(byteLength);
    this.drawn.push(bytes);
    return bytes;
  }

  #draw(byteLength: number): Buffer {
    const bytes = Buffer.alloc(byteLength);
    if (byteLength === 1) bytes[0] = Math.floor(this.#random() * (this.#random() < 0.8 ? 2 : 256));
    else if (byteLength === 2) bytes.writeUInt16LE(Math.floor(this.#random() * 3));
    else if (byteLength === 4) bytes.writeUInt32LE(Math.floor(this.#random() * SMALL));
    // ASCII is UTF-8 too, so that what is read as text is text.
    else for (let i = 0; i < byteLength; i++) bytes[i] = Math.floor(this.#random() * 128);
    return bytes;
  }
}

/** @param random from 0 to 1 */
export function drawRequest(shape: Shape<unknown>, random: () => number): Buffer {
  for (;;) {
    const cursor = new DrawingCursor(random);
    try {
      shape.read(cursor);
      return Buffer.concat(cursor.drawn);
    } catch (error) {
      // A flag of 2, a number of no error: drawn again.
      if (!(error instanceof VaultError)) throw error;
    }
  }
}
