/** The FHE public keys, read from the vault once and kept in the user's cache by digest: 34 MB that the vault need not hold. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestGently, type FhePublicKeys } from "../../balances/index.ts";
import { concat, equal, toHex } from "../../codec/index.ts";
import { VaultError, type Vault } from "../../vault/index.ts";

/** In the order of the keyset's digests. */
export const FHE_KEY_NAMES = ["evaluation-key", "public-key", "crs"] as const;
export type FheKeyName = (typeof FHE_KEY_NAMES)[number];

/** The largest key that is read from a vault: an evaluation key has 30 MB. */
const MAX_KEY_BYTES = 128 * 1024 * 1024;

/**
 * @param digests as the keyset names them
 * @throws VaultError; `malformed` where the vault gives another key than its keyset names
 */
export async function provideFheKeys(
  vault: Pick<Vault, "readFheKey">,
  digests: readonly Uint8Array[],
  cacheDirectory: string,
): Promise<FhePublicKeys> {
  const directory = join(cacheDirectory, "balances", "keys");
  await mkdir(directory, { recursive: true });
  const [evaluationKey, publicKey, crs] = await Promise.all(
    ([0, 1, 2] as const).map((index) => provide(vault, index, digests[index]!, directory)),
  );
  return { evaluationKey: evaluationKey!, publicKey: publicKey!, crs: crs! };
}

async function provide(
  vault: Pick<Vault, "readFheKey">,
  index: 0 | 1 | 2,
  digest: Uint8Array,
  directory: string,
): Promise<Uint8Array> {
  const file = join(directory, toHex(digest));
  const kept = await readFile(file).catch(() => undefined);
  if (kept && equal(await digestGently(kept), digest)) return kept;
  const key = await readWhole(vault, index);
  if (!equal(await digestGently(key), digest)) throw new VaultError("malformed");
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, key);
  await rename(fresh, file);
  return key;
}

async function readWhole(vault: Pick<Vault, "readFheKey">, index: 0 | 1 | 2): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let offset = 0n;
  for (;;) {
    const { totalBytes, bytes } = await vault.readFheKey(index, offset);
    offset += BigInt(bytes.length);
    if (bytes.length === 0 || offset > MAX_KEY_BYTES) throw new VaultError("malformed");
    parts.push(bytes);
    if (offset >= totalBytes) return concat(...parts);
  }
}
