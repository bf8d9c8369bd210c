/** The layouts of what the vault does for sealed requests. */
import {
  AES_128_GCM,
  AES_256_GCM,
  SEALED_SALT_BYTES,
  type AeadId,
  type SealingProtocol,
} from "../../sealing/index.ts";
import { block, bytes, flag, nullable, record, u8, type Shape } from "./shape.ts";

/** A sealed request as far as its headers go. */
export interface SealedRequest {
  protocol: SealingProtocol;
  /** Which HPKE key: its epoch modulo 256. */
  keyId: number;
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
  keyId: u8,
  aeadId,
  encapsulatedKey: bytes32,
  sealedSalt: nullable(bytes(SEALED_SALT_BYTES)),
});

export const requestKeys = record<RequestKeys>({
  key: block(32),
  baseNonce: bytes(12),
  responseSecret: block(32),
  salt: nullable(bytes32),
});
