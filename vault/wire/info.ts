/** The layout of what a vault says of itself. */
import { attesterInfo, type AttesterInfo } from "./evidence.ts";
import { bytes, flag, nullable, record, type Shape } from "./shape.ts";

/** What the vault is and which of its protections hold. */
export interface VaultInfo {
  /** The Ethereum address of the receipt key: 20 bytes. New at each start. */
  receiptAddress: Uint8Array;
  /** The receipt key, secp256k1 compressed: 33 bytes. New at each start. */
  receiptPublicKey: Uint8Array;
  /** The Ed25519 key of AIR receipts: 32 bytes. New at each start, as the next. */
  airPublicKey: Uint8Array;
  /** The Ed25519 key of ACI receipts and the dstack text: 32 bytes. */
  aciPublicKey: Uint8Array;
  /** The cluster's Ed25519 log key: 32 bytes. */
  logPublicKey: Uint8Array;
  /** Which secp256k1 signs: the native binding, or @noble/curves where that does not load. */
  signer: "native" | "noble";
  /** The vault's user is another than the service's: only root can then read its key file or memory. */
  ownUser: boolean;
  /** Whether another process of the same user may attach to it or make it dump core (false on Linux). */
  dumpable: boolean;
  /** Whether a crash may leave a core dump (RLIMIT_CORE above 0). */
  coreDumps: boolean;
  attester: AttesterInfo;
  /** What attests the GPUs; null for nothing. */
  gpuAttester: AttesterInfo | null;
  /** Whether models are measured into a register that the evidence shows. */
  measuresModels: boolean;
}

const signer: Shape<VaultInfo["signer"]> = {
  write: (parts, value) => flag.write(parts, value === "native"),
  read: (cursor) => (flag.read(cursor) ? "native" : "noble"),
};

export const vaultInfo = record<VaultInfo>({
  receiptAddress: bytes(20),
  receiptPublicKey: bytes(33),
  airPublicKey: bytes(32),
  aciPublicKey: bytes(32),
  logPublicKey: bytes(32),
  signer,
  ownUser: flag,
  dumpable: flag,
  coreDumps: flag,
  attester: attesterInfo,
  gpuAttester: nullable(attesterInfo),
  measuresModels: flag,
});
