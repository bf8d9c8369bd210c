import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { isWrapped, keyWrap, openKeyWrap } from "./key-wrap.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const keyOf = (byte: number) => new Uint8Array(32).fill(byte);

it("opens what it sealed, unchanged, under the same key alone", () => {
  const file = randomBytes(300);
  const platformKey = keyOf(1);
  const sealed = Buffer.from(keyWrap(platformKey).seal(file));
  expect(platformKey).toEqual(new Uint8Array(32));
  expect([isWrapped(sealed), isWrapped(file)]).toEqual([true, false]);
  expect(keyWrap(keyOf(1)).open(sealed)).toEqual(file);
  expect(keyWrap(keyOf(1)).seal(file)).not.toEqual(sealed);
  expect(() => keyWrap(keyOf(2)).open(sealed)).toThrow(refusal("key_file_invalid"));
  for (let at = 0; at < sealed.length; at++) {
    const flipped = Buffer.from(sealed);
    flipped[at]! ^= 1;
    expect(() => keyWrap(keyOf(1)).open(flipped), `byte ${at}`).toThrow(refusal("key_file_invalid"));
  }
  for (const end of [0, 11, 24, 39, sealed.length - 1])
    expect(() => keyWrap(keyOf(1)).open(sealed.subarray(0, end)), `cut at ${end}`).toThrow(
      refusal("key_file_invalid"),
    );
});

it("is off where it was told so, and fails where there is no agent", async () => {
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  expect(await openKeyWrap("none", log)).toBeUndefined();
  await expect(openKeyWrap("dstack:/nowhere/dstack.sock", log)).rejects.toEqual(
    refusal("key_wrap_unavailable"),
  );
  expect(lines.join()).toContain("interface_absent");
});
