/** Requests as sealing clients send them, in pieces that a test may change. */
import { Aes128Gcm, Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { Sealer, type SealedMessage } from "../../../client/sealed-exchange.ts";
import { concat, fromUtf8, toHex, utf8 } from "../../../codec/index.ts";
import { AES_128_GCM, frameHeader, type BinaryRequest } from "../../../sealing/index.ts";
import { encodeVarint, Reader } from "../../../sealing/varint.ts";
import type { TestBench } from "./services.ts";

export const SALT: Uint8Array = new Uint8Array(32).fill(0x11);

const suiteWith = (aead: Aes128Gcm | Aes256Gcm) =>
  new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead });

export function keyOf(bench: TestBench): Uint8Array {
  return bench.services.sealing.keys()[0]!.publicKey;
}

export function sealTo(bench: TestBench, text: string): Promise<SealedMessage> {
  return new Sealer(keyOf(bench)).seal(utf8(text), SALT);
}

async function senderTo(publicKey: Uint8Array, info: Uint8Array, keyBytes = 32) {
  const suite = suiteWith(keyBytes === 32 ? new Aes256Gcm() : new Aes128Gcm());
  const recipientPublicKey = await suite.kem.deserializePublicKey(own(publicKey));
  return await suite.createSenderContext({ recipientPublicKey, info: own(info) });
}

/** A body in several frames, which our own client never sends. */
export async function sealInFrames(
  publicKey: Uint8Array,
  parts: Uint8Array[],
): Promise<{ headers: Record<string, string>; frames: Uint8Array[] }> {
  const sender = await senderTo(publicKey, utf8("ehbp request"));
  const frames: Uint8Array[] = [];
  for (const part of parts) {
    const ciphertext = new Uint8Array(await sender.seal(own(part)));
    frames.push(concat(frameHeader(ciphertext.length), ciphertext));
  }
  return { headers: { "ehbp-encapsulated-key": toHex(new Uint8Array(sender.enc)) }, frames };
}

/** An Oblivious HTTP request, and what opens its answer: RFC 9458 once more, by WebCrypto. */
export async function encapsulate(
  publicKey: Uint8Array,
  header: Uint8Array,
  plain: Uint8Array,
): Promise<{ message: Uint8Array; open(answer: Uint8Array): Promise<Uint8Array> }> {
  const keyBytes = header.at(-1) === AES_128_GCM ? 16 : 32;
  const info = concat(utf8("message/bhttp request"), Uint8Array.of(0), header);
  const sender = await senderTo(publicKey, info, keyBytes);
  const enc = new Uint8Array(sender.enc);
  const ciphertext = new Uint8Array(await sender.seal(own(plain)));
  const secret = await sender.export(own(utf8("message/bhttp response")), keyBytes);
  return {
    message: concat(header, enc, ciphertext),
    async open(answer) {
      const salt = own(concat(enc, answer.subarray(0, keyBytes)));
      const from = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
      const derive = (label: string, bits: number) =>
        crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info: own(utf8(label)) }, from, bits);
      const raw = await derive("key", 8 * keyBytes);
      const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["decrypt"]);
      const iv = await derive("nonce", 96);
      const sealed = own(answer.subarray(keyBytes));
      return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, sealed));
    },
  };
}

/** A known-length request (RFC 9292 section 3.1). */
export function binaryRequest(
  request: Pick<BinaryRequest, "method" | "path" | "fields" | "content">,
): Uint8Array {
  const { method, path, fields, content } = request;
  const control = [method, "https", "service.example", path].map((text) => block(utf8(text)));
  const lines = fields.flat().map((text) => block(utf8(text)));
  return concat(Uint8Array.of(0), ...control, block(concat(...lines)), block(content), Uint8Array.of(0));
}

export function parseBinaryAnswer(bytes: Uint8Array): {
  status: number;
  fields: Map<string, string>;
  content: Uint8Array;
} {
  const reader = new Reader(bytes);
  if (reader.varint() !== 1) throw new Error("no answer of known length");
  const status = reader.varint();
  const section = new Reader(reader.block(65_536));
  const fields = new Map<string, string>();
  while (section.left > 0) fields.set(fromUtf8(section.block(65_536)), fromUtf8(section.block(65_536)));
  return { status, fields, content: reader.block(reader.left) };
}

function block(bytes: Uint8Array): Uint8Array {
  return concat(encodeVarint(bytes.length), bytes);
}

function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
