import { describe, expect, it } from "vitest";
import { concat, sha256, utf8 } from "../codec/index.ts";
import { createReadingKey, openReading, READING_BYTES, sealReading } from "./reading.ts";

const request = sha256(utf8("request"));
const reading = { amountAtomic: 2n ** 64n - 1n, sequence: 7n };
const refused = expect.objectContaining({ code: "reading_invalid" });

describe("a reading", () => {
  it("opens for its key and request alone, and unchanged alone", async () => {
    const key = await createReadingKey();
    expect(key.operandDigest).toEqual(sha256(key.publicKey));
    const message = await sealReading(reading, key.publicKey, request);
    expect(message.length).toBe(READING_BYTES);
    expect(await openReading(message, key, request)).toEqual(reading);
    const other = await createReadingKey();
    await expect(openReading(message, other, request)).rejects.toEqual(refused);
    await expect(openReading(message, key, sha256(request))).rejects.toEqual(refused);
    for (const at of [0, 31, 32, READING_BYTES - 1]) {
      const changed = message.map((byte, i) => (i === at ? byte ^ 1 : byte));
      await expect(openReading(changed, key, request), String(at)).rejects.toEqual(refused);
    }
    await expect(openReading(message.subarray(1), key, request)).rejects.toEqual(refused);
    await expect(openReading(concat(message, Uint8Array.of(0)), key, request)).rejects.toEqual(refused);
  });

  it("is new each time, and never sealed to what is no key", async () => {
    const { publicKey } = await createReadingKey();
    const [one, two] = await Promise.all([1, 2].map(() => sealReading(reading, publicKey, request)));
    expect(one).not.toEqual(two);
    await expect(sealReading(reading, publicKey.subarray(1), request)).rejects.toEqual(refused);
    await expect(sealReading(reading, new Uint8Array(32), request)).rejects.toEqual(refused);
  });
});
