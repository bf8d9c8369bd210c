/** The layouts of what the vault does for sealed requests. */
import { SEALED_SALT_BYTES, type SealingProtocol } from "../../sealing/index.ts";
import { bytes, flag, nullable, record, u8, type Shape } from "./shape.ts";

/** A sealed request as far as its headers go. */
export interface SealedRequest {
  protocol: SealingProtocol;
  /** Which HPKE key: its epoch modulo 256. */
  keyId: number;
  /** 32 bytes. */
  encapsulatedKey: Uint8Array;
  /** EHBP alone: the salt, sealed to the same key; 80 bytes. */
  sealedSalt: Uint8Array | null;
}

/** The keys of one sealed request and its answer. */
export interface RequestKeys {
  /** Opens the request's body, with the next: AES-256-GCM, 32 bytes. */
  key: Uint8Array;
  /** 12 bytes. */
  baseNonce: Uint8Array;
  /** What the answer's keys are derived from: 32 bytes. */
  responseSecret: Uint8Array;
  /** 32 bytes; null where none was sealed. */
  salt: Uint8Array | null;
}

const bytes32 = bytes(32);

const sealingProtocol: Shape<SealingProtocol> = {
  write: (parts, value) => flag.write(parts, value === "ohttp"),
  read: (cursor) => (flag.read(cursor) ? "ohttp" : "ehbp"),
};

export const sealedRequest = record<SealedRequest>({
  protocol: sealingProtocol,
  keyId: u8,
  encapsulatedKey: bytes32,
  sealedSalt: nullable(bytes(SEALED_SALT_BYTES)),
});

export const requestKeys = record<RequestKeys>({
  key: bytes32,
  baseNonce: bytes(12),
  responseSecret: bytes32,
  salt: nullable(bytes32),
});
