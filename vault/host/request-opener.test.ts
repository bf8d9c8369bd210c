import { describe, expect, it } from "vitest";
import { fromHex } from "../../codec/index.ts";
import { Sealer } from "../../client/sealed-exchange.ts";
import { AES_128_GCM, AES_256_GCM } from "../../sealing/index.ts";
import { RequestOpener } from "./request-opener.ts";
import { x25519FromPrivateKey } from "./x25519.ts";

const BODY = new Uint8Array(100).fill(3);
const SALT = new Uint8Array(32).fill(4);
const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const keyOf = (epoch: number, fill = epoch) => ({
  epoch,
  key: x25519FromPrivateKey(new Uint8Array(32).fill(fill)),
});
const own = keyOf(1);

async function sealedTo({ key }: ReturnType<typeof keyOf>) {
  const { headers } = await new Sealer(key.publicKey).seal(BODY, SALT);
  const encapsulatedKey = fromHex(headers["Ehbp-Encapsulated-Key"]!, 32);
  return {
    protocol: "ehbp",
    keyId: null,
    aeadId: AES_256_GCM,
    encapsulatedKey,
    sealedSalt: fromHex(headers["Affidavit-Salt"]!, 80),
  } as const;
}

describe("RequestOpener", () => {
  const opener = new RequestOpener(() => [own], 3);

  it("exports once, with the salt", async () => {
    const request = await sealedTo(own);
    expect(opener.exportKeys(request)).toMatchObject([{ salt: SALT }]);
    expect(() => opener.exportKeys(request)).toThrow(refusal("sealed_request_replayed"));
    expect(() => opener.exportKeys({ ...request, protocol: "ohttp", keyId: 1, sealedSalt: null })).toThrow(
      refusal("sealed_request_replayed"),
    );
  });

  it("remembers as many as it was told, and no refused key", async () => {
    const first = await sealedTo(own);
    opener.exportKeys({ ...first, sealedSalt: null });
    for (let i = 0; i < 2; i++) opener.exportKeys(await sealedTo(own));
    expect(() => opener.exportKeys(first)).toThrow(refusal("sealed_request_replayed"));
    const small = { ...first, encapsulatedKey: new Uint8Array(32) };
    for (let i = 0; i < 5; i++)
      expect(() => opener.exportKeys(small)).toThrow(refusal("sealing_key_unknown"));
    expect(() => opener.exportKeys(first)).toThrow(refusal("sealed_request_replayed"));
    opener.exportKeys(await sealedTo(own));
    expect(opener.exportKeys(first)[0]!.salt).toEqual(SALT);
  });

  it("gives shorter keys for AES-128-GCM, which EHBP does not know", async () => {
    const { sealedSalt, ...request } = await sealedTo(own);
    expect(sealedSalt).toHaveLength(80);
    const asked = { ...request, aeadId: AES_128_GCM, sealedSalt: null };
    expect(() => opener.exportKeys(asked)).toThrow(refusal("malformed"));
    const [exported] = opener.exportKeys({ ...asked, protocol: "ohttp", keyId: 1 });
    expect([exported!.key.length, exported!.responseSecret.length]).toEqual([16, 16]);
  });

  it("gives Oblivious HTTP the keys of the key id that it names alone, 256 epochs apart", async () => {
    const { sealedSalt: _, ...named } = await sealedTo(own);
    const request = { ...named, protocol: "ohttp", sealedSalt: null } as const;
    expect(() => opener.exportKeys({ ...request, keyId: 2 })).toThrow(refusal("sealing_key_unknown"));
    expect(() => opener.exportKeys({ ...request, keyId: null })).toThrow(refusal("malformed"));
    const later = new RequestOpener(() => [keyOf(258, 3), keyOf(257, 1)]);
    expect(later.exportKeys({ ...request, keyId: 1 })).toHaveLength(1);
  });

  it("finds by the salt which key EHBP means, and gives one of each where there is none", async () => {
    const [newest, middle, oldest] = [keyOf(9), keyOf(8), keyOf(7)];
    const several = new RequestOpener(() => [newest, middle, oldest]);
    const alone = new RequestOpener(() => [middle]);
    for (const key of [newest, middle, oldest]) {
      const request = await sealedTo(key);
      const [expected] = new RequestOpener(() => [key]).exportKeys(request);
      expect(several.exportKeys(request)).toEqual([expected]);
    }
    const request = { ...(await sealedTo(middle)), sealedSalt: null };
    const candidates = several.exportKeys(request);
    expect(candidates).toHaveLength(3);
    expect(candidates[1]).toEqual(alone.exportKeys(request)[0]);
    expect(new Set(candidates.map(({ key }) => String(key))).size).toBe(3);
    expect(() => several.exportKeys(request)).toThrow(refusal("sealed_request_replayed"));
    const strangers = await sealedTo(keyOf(9, 77));
    expect(() => several.exportKeys(strangers)).toThrow(refusal("sealed_salt_unreadable"));
  });

  it("opens a salt of this request alone, by EHBP alone", async () => {
    const request = await sealedTo(own);
    const other = await sealedTo(own);
    const stranger = await sealedTo(keyOf(1, 2));
    const withSalt = (sealedSalt: Uint8Array) => () =>
      opener.exportKeys({ ...request, encapsulatedKey: fresh(), sealedSalt });
    let count = 0;
    const fresh = () => Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 9 + count++ : 9));
    expect(withSalt(request.sealedSalt)).toThrow(refusal("sealed_salt_unreadable"));
    expect(withSalt(other.sealedSalt)).toThrow(refusal("sealed_salt_unreadable"));
    expect(withSalt(stranger.sealedSalt)).toThrow(refusal("sealed_salt_unreadable"));
    expect(withSalt(new Uint8Array(80))).toThrow(refusal("sealing_key_unknown"));
    expect(() => opener.exportKeys({ ...other, protocol: "ohttp", keyId: 1 })).toThrow(refusal("malformed"));
    expect(() => opener.exportKeys({ ...other, keyId: 1 })).toThrow(refusal("malformed"));
  });
});
