/** The last encapsulated keys that were opened. What falls out of it could be replayed: its size is the protection. */
export class ReplayWindow {
  readonly #size: number;
  /** Insertion order is age: a key is never written twice. */
  readonly #seen = new Set<string>();

  constructor(size: number) {
    this.#size = size;
  }

  /** @returns false where the key is remembered */
  add(encapsulatedKey: Uint8Array): boolean {
    const { buffer, byteOffset, length } = encapsulatedKey;
    const name = Buffer.from(buffer, byteOffset, length).toString("latin1");
    if (this.#seen.has(name)) return false;
    if (this.#seen.size >= this.#size) this.#seen.delete(this.#seen.values().next().value!);
    this.#seen.add(name);
    return true;
  }
}
