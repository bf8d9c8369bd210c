/** Keys that live as long as this process: never written, never passed on. */
import { randomBytes } from "node:crypto";
import { ed25519FromSeed, type Ed25519Key } from "./ed25519.ts";
import { createSigner, type Signer } from "./signer.ts";

export interface InstanceKeys {
  /** The receipt key. */
  signer: Signer;
  /** The Ed25519 receipt key of the AIR and ACI forms. */
  air: Ed25519Key;
}

export function drawInstanceKeys(): InstanceKeys {
  const seed = randomBytes(32);
  const air = ed25519FromSeed(seed);
  seed.fill(0);
  return { signer: createSigner(), air };
}
