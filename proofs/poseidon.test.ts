import { describe, expect, it } from "vitest";
import { fromHex, toHex, utf8 } from "../codec/index.ts";
import { fromLittleEndian, toLittleEndian } from "./field.ts";
import { poseidon } from "./poseidon.ts";

/** Made by EZKL 21.0.0's `poseidon_hash`, little-endian. */
const KNOWN: [bigint[], string][] = [
  [[0n], "c9ee727ef8f6307295e9e69831ecddb7866fa7c072dc626ad45a803258c2d411"],
  [[1n], "90bbb9c2adeaf0b1cc6c34ed80f11266193aef9e5cfd18a6a1ca283261695608"],
  [[0n, 0n], "ee80eb272d22c704407fa96076a9725cc6be7e6a2bacb7a08706d81922cc0d28"],
  [[1n, 2n], "8c2bde792da25f9124562e03e8b5a4883b3eaf481bf6e15866f38a53315b8729"],
];

describe("Poseidon", () => {
  it("hashes as EZKL does", () => {
    for (const [elements, wanted] of KNOWN)
      expect(poseidon(elements)).toBe(fromLittleEndian(fromHex(wanted)));
  });

  it("agrees with the engine's WebAssembly on elements of all sizes", async () => {
    const engine = await import("@ezkljs/engine");
    const elements = Array.from({ length: 40 }, (_, i) => 7n ** BigInt(2 * i));
    const message = JSON.stringify(elements.map((element) => toHex(toLittleEndian(element))));
    const answer = engine.poseidonHash(new Uint8ClampedArray(utf8(message)));
    const [[hash]] = JSON.parse(Buffer.from(answer).toString()) as [[string]];
    expect(toHex(toLittleEndian(poseidon(elements)))).toBe(hash);
  });
});
