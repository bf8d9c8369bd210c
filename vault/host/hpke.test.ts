import { createDecipheriv } from "node:crypto";
import { describe, expect, it } from "vitest";
import { concat, fromHex, toHex, utf8 } from "../../codec/index.ts";
import { AES_128_GCM, chunkNonce, parseBinaryRequest, responseKey } from "../../sealing/index.ts";
import { decapsulate, setUpReceiver } from "./hpke.ts";
import { x25519FromPrivateKey } from "./x25519.ts";

function openGcm(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad = new Uint8Array(0)): Buffer {
  const decipher = createDecipheriv("aes-128-gcm", key, nonce);
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

describe("the receiving half of HPKE", () => {
  it("gives what RFC 9180 appendix A.1.1 lists", () => {
    const receiver = x25519FromPrivateKey(
      fromHex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"),
    );
    expect(toHex(receiver.publicKey)).toBe(
      "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d",
    );
    const encapsulatedKey = fromHex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
    const info = fromHex("4f6465206f6e2061204772656369616e2055726e");
    expect(toHex(decapsulate(receiver, encapsulatedKey))).toBe(
      "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc",
    );
    const context = setUpReceiver(receiver, encapsulatedKey, info, AES_128_GCM);
    expect(toHex(context.key)).toBe("4531685d41d65f03dc48f6b8302c05b0");
    expect(toHex(context.baseNonce)).toBe("56d890e5accaaf011cff4b7d");
    expect(toHex(context.export(new Uint8Array(0), 32))).toBe(
      "3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee",
    );
    // The nonces of the appendix's first and second message.
    expect(toHex(chunkNonce(context.baseNonce, 0))).toBe("56d890e5accaaf011cff4b7d");
    expect(toHex(chunkNonce(context.baseNonce, 1))).toBe("56d890e5accaaf011cff4b7c");
  });

  it("opens the request and keys the answer of RFC 9458 appendix A", () => {
    const receiver = x25519FromPrivateKey(
      fromHex("3c168975674b2fa8e465970b79c8dcf09f1c741626480bd4c6162fc5b6a98e1a"),
    );
    const request = fromHex(
      "010020000100014b28f881333e7c164ffc499ad9796f877f4e1051ee6d31bad19dec96c208b4726374e469135906992e" +
        "1268c594d2a10c695d858c40a026e7965e7d86b83dd440b2c0185204b4d63525",
    );
    const encapsulatedKey = request.subarray(7, 39);
    const info = concat(utf8("message/bhttp request"), Uint8Array.of(0), request.subarray(0, 7));
    const context = setUpReceiver(receiver, encapsulatedKey, info, AES_128_GCM);
    const plain = openGcm(context.key, context.baseNonce, request.subarray(39));
    expect(parseBinaryRequest(plain)).toEqual({
      method: "GET",
      scheme: "https",
      authority: "example.com",
      path: "/",
      fields: [],
      content: new Uint8Array(0),
    });
    const answer = fromHex("c789e7151fcba46158ca84b04464910d86f9013e404feea014e7be4a441f234f857fbd");
    const secret = context.export(utf8("message/bhttp response"), 16);
    const { key, baseNonce } = responseKey(secret, encapsulatedKey, answer.subarray(0, 16));
    expect(toHex(openGcm(key, baseNonce, answer.subarray(16)))).toBe("0140c8");
  });

  it("refuses keys of small order", () => {
    const receiver = x25519FromPrivateKey(new Uint8Array(32).fill(7));
    expect(() => setUpReceiver(receiver, new Uint8Array(32), new Uint8Array(0))).toThrow();
  });
});
