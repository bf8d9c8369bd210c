import { createHmac, hkdfSync } from "node:crypto";
import { expect, it } from "vitest";
import { toHex } from "../../codec/index.ts";
import { storageSecrets } from "./derive.ts";

const storageKey = new Uint8Array(32).fill(7);
const message = new Uint8Array(32).fill(9);

it("is HMAC under a subkey that HKDF gives each use", () => {
  const expected = (use: string) => {
    const subkey = hkdfSync("sha256", storageKey, "", `affidavit.v1.storage.${use}`, 32);
    return createHmac("sha256", Buffer.from(subkey)).update(message).digest("hex");
  };
  const secrets = storageSecrets(storageKey);
  expect(toHex(secrets.defaultSalt(message))).toBe(expected("salt"));
  expect(toHex(secrets.recordKey(message))).toBe(expected("record"));
  expect(toHex(secrets.idempotencyTag(message))).toBe(expected("idempotency"));
});

it("separates uses, messages and storage keys", () => {
  const secrets = storageSecrets(storageKey);
  const other = storageSecrets(new Uint8Array(32));
  const values = [
    secrets.defaultSalt(message),
    secrets.recordKey(message),
    secrets.idempotencyTag(message),
    secrets.defaultSalt(new Uint8Array(32)),
    other.defaultSalt(message),
  ];
  expect(new Set(values.map(toHex)).size).toBe(values.length);
});
