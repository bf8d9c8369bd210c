/** Keys that live as long as this process: never written, never passed on. */
import { randomBytes } from "node:crypto";
import { ed25519FromSeed, type Ed25519Key } from "./ed25519.ts";
import { createSigner, type Signer } from "./signer.ts";

export interface InstanceKeys {
  /** The receipt key. */
  signer: Signer;
  /** The Ed25519 key of AIR receipts, which signs nothing else. */
  air: Ed25519Key;
  /** The Ed25519 key of ACI receipts and the dstack text. */
  aci: Ed25519Key;
}

export function drawInstanceKeys(): InstanceKeys {
  return { signer: createSigner(), air: drawEd25519(), aci: drawEd25519() };
}

function drawEd25519(): Ed25519Key {
  const seed = randomBytes(32);
  const key = ed25519FromSeed(seed);
  seed.fill(0);
  return key;
}
