/** The private keys of a key directory, by name, for tests that look for them elsewhere. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseClusterKeys, type ClusterKeys } from "./host/cluster-keys.ts";

export function readClusterKeys(keyDirectory: string): ClusterKeys {
  return parseClusterKeys(readFileSync(join(keyDirectory, "cluster.keys")), 0).keys;
}

export function clusterSecrets(keyDirectory: string): Record<string, Uint8Array> {
  const { sealingKeys, policy: _, ...secrets } = readClusterKeys(keyDirectory);
  const sealing = sealingKeys.map(({ epoch, secretKey }) => [`sealingKey${epoch}`, secretKey] as const);
  return { ...secrets, ...Object.fromEntries(sealing) };
}
