/** The layouts of what the vault does for sealed requests. */
import {
  AES_128_GCM,
  AES_256_GCM,
  SEALED_SALT_BYTES,
  type AeadId,
  type SealingProtocol,
} from "../../sealing/index.ts";
import { VaultError } from "../error.ts";
import { block, bytes, flag, list, nullable, record, u32, u64, u8, type Shape } from "./shape.ts";

/** A sealed request as far as its headers go. */
export interface SealedRequest {
  protocol: SealingProtocol;
  /** Which HPKE key, as Oblivious HTTP says it: its epoch modulo 256. EHBP does not say: null. */
  keyId: number | null;
  /** EHBP knows AES-256-GCM alone. */
  aeadId: AeadId;
  /** 32 bytes. */
  encapsulatedKey: Uint8Array;
  /** EHBP alone: the salt, sealed to the same key; 80 bytes. */
  sealedSalt: Uint8Array | null;
}

/** The keys of one sealed request and its answer. */
export interface RequestKeys {
  /** Opens the request's body, with the next: 32 bytes for AES-256-GCM, 16 for AES-128-GCM. */
  key: Uint8Array;
  /** 12 bytes. */
  baseNonce: Uint8Array;
  /** What the answer's keys are derived from: as long as the key. */
  responseSecret: Uint8Array;
  /** 32 bytes; null where none was sealed. */
  salt: Uint8Array | null;
}

/** Sealing keys that exist at one time. */
export const MAX_SEALING_KEYS = 8;

const bytes32 = bytes(32);

const sealingProtocol: Shape<SealingProtocol> = {
  write: (parts, value) => flag.write(parts, value === "ohttp"),
  read: (cursor) => (flag.read(cursor) ? "ohttp" : "ehbp"),
};

const aeadId: Shape<AeadId> = {
  write: (parts, value) => flag.write(parts, value === AES_128_GCM),
  read: (cursor) => (flag.read(cursor) ? AES_128_GCM : AES_256_GCM),
};

export const sealedRequest = record<SealedRequest>({
  protocol: sealingProtocol,
  keyId: nullable(u8),
  aeadId,
  encapsulatedKey: bytes32,
  sealedSalt: nullable(bytes(SEALED_SALT_BYTES)),
});

export const requestKeys = list(
  record<RequestKeys>({
    key: block(32),
    baseNonce: bytes(12),
    responseSecret: block(32),
    salt: nullable(bytes32),
  }),
  MAX_SEALING_KEYS,
);

/** `look` makes a key where the newest is too old, `rotate` in any case; `rotateAndEnd` also ends all others at once. */
const TENDINGS = ["look", "rotate", "rotateAndEnd"] as const;
export type Tending = (typeof TENDINGS)[number];

/** An HPKE key as its public half tells it. */
export interface SealingKeyInfo {
  epoch: number;
  /** X25519: 32 bytes. */
  publicKey: Uint8Array;
  madeAtMs: bigint;
  /** When it opens no request any more; null for the newest. */
  endsAtMs: bigint | null;
}

const tending: Shape<Tending> = {
  write: (parts, value) => u8.write(parts, TENDINGS.indexOf(value)),
  read(cursor) {
    const value = TENDINGS[u8.read(cursor)];
    if (!value) throw new VaultError("malformed");
    return value;
  },
};

export const tendingRequest = record<{ how: Tending }>({ how: tending });

export const sealingKeyList = list(
  record<SealingKeyInfo>({ epoch: u32, publicKey: bytes32, madeAtMs: u64, endsAtMs: nullable(u64) }),
  MAX_SEALING_KEYS,
);
