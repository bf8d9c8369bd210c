import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createDecipheriv } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../codec/index.ts";
import {
  AES_128_GCM,
  AES_256_GCM,
  chunkNonce,
  encodeKeyConfig,
  encodeKeyConfigs,
  encodeRequestHeader,
  frameHeader,
  hpkeKeysetKey,
  hpkeKeysOf,
  readRequestHeader,
  responseKey,
  SealingError,
  splitFrames,
} from "./index.ts";

const VECTORS =
  process.env["AFFIDAVIT_VECTORS"] ?? fileURLToPath(new URL("../../shared/vectors", import.meta.url));
const EHBP = `${VECTORS}/ehbp`;
const vector = (name: string) =>
  JSON.parse(readFileSync(`${EHBP}/${name}.json`, "utf8")) as Record<string, string>;
const refused = (code: string) => expect.objectContaining({ name: "SealingError", code });

describe.skipIf(!existsSync(EHBP))("EHBP's vectors (need the vectors folder: AFFIDAVIT_VECTORS)", () => {
  it("derive.json: the answer's key and base nonce", () => {
    const { exportedSecret, requestEnc, responseNonce, derivedKey, derivedNonceBase } = vector("derive");
    const { key, baseNonce } = responseKey(
      fromHex(exportedSecret!),
      fromHex(requestEnc!),
      fromHex(responseNonce!),
    );
    expect([toHex(key), toHex(baseNonce)]).toEqual([derivedKey, derivedNonceBase]);
  });

  it("response-decryption.json: one frame, opened", () => {
    const { exportedSecret, requestEnc, responseNonce, plaintext, encryptedResponse } =
      vector("response-decryption");
    const { key, baseNonce } = responseKey(
      fromHex(exportedSecret!),
      fromHex(requestEnc!),
      fromHex(responseNonce!),
    );
    const [frame, ...others] = splitFrames(fromHex(encryptedResponse!));
    expect(others).toEqual([]);
    const decipher = createDecipheriv("aes-256-gcm", key, chunkNonce(baseNonce, 0));
    decipher.setAuthTag(frame!.subarray(-16));
    expect(decipher.update(frame!.subarray(0, -16)).toString("hex") + decipher.final("hex")).toBe(plaintext);
  });
});

const frame = (length: number) => Uint8Array.from([...frameHeader(length), ...new Uint8Array(length)]);

describe("frames", () => {
  it("are split, empty ones passed over", () => {
    const body = Uint8Array.from([...frame(16), ...frame(0), ...frame(20)]);
    expect(splitFrames(body).map(({ length }) => length)).toEqual([16, 20]);
    expect(splitFrames(new Uint8Array(0))).toEqual([]);
  });

  it("are refused where they are cut off or shorter than their tag", () => {
    const whole = frame(20);
    for (let end = 1; end < whole.length; end++)
      expect(() => splitFrames(whole.subarray(0, end))).toThrow(refused("sealed_frames_invalid"));
    for (let length = 1; length < 16; length++)
      expect(() => splitFrames(frame(length))).toThrow(refused("sealed_frames_invalid"));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          splitFrames(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SealingError);
        }
      }),
    );
  });

  it("have nonces that differ, up to 2^32 of them", () => {
    const base = new Uint8Array(12).fill(0xff);
    expect(toHex(chunkNonce(base, 0))).toBe("ff".repeat(12));
    expect(toHex(chunkNonce(base, 0x01020304))).toBe(`${"ff".repeat(8)}fefdfcfb`);
    expect(toHex(chunkNonce(base, 2 ** 32 - 1))).toBe(`${"ff".repeat(8)}00000000`);
    for (const outside of [-1, 2 ** 32, 0.5]) expect(() => chunkNonce(base, outside)).toThrow(RangeError);
  });
});

describe("key configurations", () => {
  const publicKey = new Uint8Array(32).fill(0xab);

  it("have the layout of RFC 9458 section 3", () => {
    const config = `070020${"ab".repeat(32)}000400010002`;
    expect(toHex(encodeKeyConfig({ keyId: 7, publicKey }))).toBe(config);
    expect(toHex(encodeKeyConfigs([{ keyId: 7, publicKey }]))).toBe(
      `002d070020${"ab".repeat(32)}00080001000200010001`,
    );
    expect(encodeKeyConfigs([])).toHaveLength(0);
  });

  it("come from a keyset: HPKE keys of this suite, the rest passed over", () => {
    const own = hpkeKeysetKey(300, publicKey);
    const keys = [own, { ...own, algo: "kyber" }, { ...own, keyId: "x" }, { ...own, publicKey: "ab" }];
    expect(hpkeKeysOf(keys)).toEqual([{ keyId: 44, publicKey }]);
  });

  it("name their suite in the request's header, each byte of it", () => {
    const header = encodeRequestHeader(9);
    expect(toHex(header)).toBe("09002000010002");
    expect(readRequestHeader(header)).toEqual({ keyId: 9, aeadId: AES_256_GCM });
    expect(readRequestHeader(encodeRequestHeader(9, AES_128_GCM)).aeadId).toBe(AES_128_GCM);
    for (let i = 1; i < 7; i++) {
      const changed = Uint8Array.from(header, (byte, at) => (at === i ? byte ^ 1 : byte));
      expect(() => readRequestHeader(changed)).toThrow(refused("key_config_invalid"));
      expect(() => readRequestHeader(header.subarray(0, i))).toThrow(refused("key_config_invalid"));
    }
  });
});
