/**
 * Key files of versions 1 and 2: `magic (8) ‖ version u32 ‖ epoch u32 ‖ log seed (32) ‖ storage key (32) ‖ X25519 key (32)`, in
 * version 2 `‖ chain key (32) ‖ FHE seed (32)`; then the hash.
 */
import { VaultError } from "../error.ts";
import type { ClusterKeys } from "./cluster-keys.ts";
import { keepSecret } from "./secret-memory.ts";

interface Draws {
  drawKey: () => Uint8Array;
  drawChainKey: () => Uint8Array;
}

/**
 * @param body without the hash, which holds
 * @throws VaultError `key_file_invalid`
 */
export function parseOldClusterKeys(body: Buffer, nowMs: number, draws: Draws): ClusterKeys {
  const version = body.readUInt32LE(8);
  const epoch = body.readUInt32LE(12);
  const known = version === 1 || version === 2;
  if (!known || epoch === 0 || body.length !== 16 + 32 * (version === 1 ? 3 : 5))
    throw new VaultError("key_file_invalid");
  const key = (index: number) => keepSecret(body.subarray(16 + 32 * index, 48 + 32 * index));
  return {
    logSeed: key(0),
    storageKey: key(1),
    chainKey: version === 1 ? draws.drawChainKey() : key(3),
    fheSeed: version === 1 ? draws.drawKey() : key(4),
    policy: { owner: null, version: 0 },
    sealingKeys: [{ epoch, madeAtMs: nowMs, secretKey: key(2) }],
  };
}
