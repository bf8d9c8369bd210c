import { describe, expect, it } from "vitest";
import { fromHex } from "../../codec/index.ts";
import { Sealer } from "../../client/sealed-exchange.ts";
import { AES_128_GCM, AES_256_GCM } from "../../sealing/index.ts";
import { RequestOpener } from "./request-opener.ts";

const BODY = new Uint8Array(100).fill(3);
const SALT = new Uint8Array(32).fill(4);
const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });

async function sealedTo(publicKey: Uint8Array) {
  const { headers } = await new Sealer(publicKey).seal(BODY, SALT);
  const encapsulatedKey = fromHex(headers["Ehbp-Encapsulated-Key"]!, 32);
  return {
    protocol: "ehbp",
    keyId: 1,
    aeadId: AES_256_GCM,
    encapsulatedKey,
    sealedSalt: fromHex(headers["Affidavit-Salt"]!, 80),
  } as const;
}

describe("RequestOpener", () => {
  const opener = new RequestOpener(1, new Uint8Array(32).fill(1), 3);

  it("exports once, with the salt", async () => {
    const request = await sealedTo(opener.publicKey);
    expect(opener.exportKeys(request)).toMatchObject({ salt: SALT });
    expect(() => opener.exportKeys(request)).toThrow(refusal("sealed_request_replayed"));
    expect(() => opener.exportKeys({ ...request, protocol: "ohttp", sealedSalt: null })).toThrow(
      refusal("sealed_request_replayed"),
    );
  });

  it("remembers as many as it was told, and no refused key", async () => {
    const first = await sealedTo(opener.publicKey);
    opener.exportKeys({ ...first, sealedSalt: null });
    for (let i = 0; i < 2; i++) opener.exportKeys(await sealedTo(opener.publicKey));
    expect(() => opener.exportKeys(first)).toThrow(refusal("sealed_request_replayed"));
    const small = { ...first, encapsulatedKey: new Uint8Array(32) };
    for (let i = 0; i < 5; i++)
      expect(() => opener.exportKeys(small)).toThrow(refusal("sealing_key_unknown"));
    expect(() => opener.exportKeys(first)).toThrow(refusal("sealed_request_replayed"));
    opener.exportKeys(await sealedTo(opener.publicKey));
    expect(opener.exportKeys(first).salt).toEqual(SALT);
  });

  it("gives shorter keys for AES-128-GCM, which EHBP does not know", async () => {
    const { sealedSalt, ...request } = await sealedTo(opener.publicKey);
    expect(sealedSalt).toHaveLength(80);
    const asked = { ...request, aeadId: AES_128_GCM, sealedSalt: null };
    expect(() => opener.exportKeys(asked)).toThrow(refusal("malformed"));
    const { key, responseSecret } = opener.exportKeys({ ...asked, protocol: "ohttp" });
    expect([key.length, responseSecret.length]).toEqual([16, 16]);
  });

  it("gives the keys of its own key id alone, 256 epochs apart", async () => {
    const request = await sealedTo(opener.publicKey);
    expect(() => opener.exportKeys({ ...request, keyId: 2 })).toThrow(refusal("sealing_key_unknown"));
    const later = new RequestOpener(257, new Uint8Array(32).fill(1));
    expect(later.exportKeys(request).key).toHaveLength(32);
  });

  it("opens a salt of this request alone, by EHBP alone", async () => {
    const request = await sealedTo(opener.publicKey);
    const other = await sealedTo(opener.publicKey);
    const stranger = await sealedTo(new RequestOpener(1, new Uint8Array(32).fill(2)).publicKey);
    const withSalt = (sealedSalt: Uint8Array) => () =>
      opener.exportKeys({ ...request, encapsulatedKey: fresh(), sealedSalt });
    let count = 0;
    const fresh = () => Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 9 + count++ : 9));
    expect(withSalt(request.sealedSalt)).toThrow(refusal("sealed_salt_unreadable"));
    expect(withSalt(other.sealedSalt)).toThrow(refusal("sealed_salt_unreadable"));
    expect(withSalt(stranger.sealedSalt)).toThrow(refusal("sealed_salt_unreadable"));
    expect(withSalt(new Uint8Array(80))).toThrow(refusal("sealing_key_unknown"));
    expect(() => opener.exportKeys({ ...other, protocol: "ohttp" })).toThrow(refusal("malformed"));
  });
});
