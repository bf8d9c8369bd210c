/** Loads the cluster keys and the last signed checkpoint, or makes both on an empty key directory. */
import { equal, utf8 } from "../../codec/index.ts";
import { VaultError } from "../error.ts";
import {
  CHECKPOINT_FILE_BYTES,
  encodeCheckpointState,
  parseCheckpointState,
  type CheckpointState,
} from "./checkpoint-state.ts";
import {
  drawClusterKeys,
  encodeClusterKeys,
  KEY_FILE_BYTES,
  parseClusterKeys,
  type ClusterKeys,
} from "./cluster-keys.ts";
import { ed25519FromSeed } from "./ed25519.ts";
import { CHECKPOINT_FILE, KEY_FILE, POLICY_FILE } from "./key-directory.ts";
import { isWrapped, WRAP_BYTES, type KeyWrap } from "./key-wrap.ts";
import type { PassedKeys } from "./passed-keys.ts";
import { readPrivateFile, writePrivateFile } from "./private-file.ts";

export interface Cluster {
  keys: ClusterKeys;
  checkpoint: CheckpointState;
}

/**
 * Neither file is ever made anew beside the other, but for a state under which nothing was signed (a crash between the two
 * writes below leaves one): a lost state would let an older tree be signed, lost keys would break the log.
 * @throws VaultError `key_directory_unsafe`, `key_file_invalid`, `cluster_keys_missing`, `checkpoint_state_missing`,
 * `checkpoint_state_invalid`
 */
export async function loadCluster(nowMs: number, wrap?: KeyWrap): Promise<Cluster> {
  const keyFile = await readKeyFile(wrap);
  const stateFile = await readPrivateFile(CHECKPOINT_FILE, CHECKPOINT_FILE_BYTES);
  const checkpoint = stateFile && parseCheckpointState(stateFile);
  if (!keyFile) {
    if (checkpoint?.last) throw new VaultError("cluster_keys_missing");
    return createCluster(nowMs, wrap);
  }
  const { keys, upgraded } = parseClusterKeys(keyFile.content, nowMs);
  if (!checkpoint) throw new VaultError("checkpoint_state_missing");
  if (!equal(checkpoint.logPublicKey, ed25519FromSeed(keys.logSeed).publicKey)) {
    throw new VaultError("checkpoint_state_invalid");
  }
  if (upgraded || keyFile.isPlain) await saveKeys(keys, wrap);
  return { keys, checkpoint };
}

async function createCluster(nowMs: number, wrap: KeyWrap | undefined): Promise<Cluster> {
  const keys = drawClusterKeys(nowMs);
  const checkpoint = { logPublicKey: ed25519FromSeed(keys.logSeed).publicKey, last: null };
  await writePrivateFile(CHECKPOINT_FILE, encodeCheckpointState(checkpoint));
  await saveKeys(keys, wrap);
  return { keys, checkpoint };
}

/** `isPlain` where it is to be sealed and is not yet. @throws VaultError `key_directory_unsafe`, `key_file_invalid`, `key_wrap_missing` */
async function readKeyFile(
  wrap: KeyWrap | undefined,
): Promise<{ content: Buffer; isPlain: boolean } | undefined> {
  const file = await readPrivateFile(KEY_FILE, KEY_FILE_BYTES + WRAP_BYTES);
  if (!file) return undefined;
  if (!isWrapped(file)) return { content: file, isPlain: wrap !== undefined };
  if (!wrap) throw new VaultError("key_wrap_missing");
  return { content: wrap.open(file), isPlain: false };
}

export async function saveKeys(keys: ClusterKeys, wrap?: KeyWrap): Promise<void> {
  const file = encodeClusterKeys(keys);
  try {
    await writePrivateFile(KEY_FILE, wrap ? wrap.seal(file) : file);
  } finally {
    file.fill(0);
  }
}

/** Whether the key directory has cluster keys. @throws VaultError `key_directory_unsafe` */
export async function hasClusterKeys(): Promise<boolean> {
  const file = await readPrivateFile(KEY_FILE, KEY_FILE_BYTES + WRAP_BYTES);
  file?.fill(0);
  return file !== undefined;
}

/**
 * Keeps what another vault of the cluster passed. The key file comes last: with it the directory is whole, without it this is done again.
 * A later checkpoint of the same log key, of a vault that lost its keys, stays.
 * @throws VaultError `joining_off` where there are keys already, `key_directory_unsafe`, `checkpoint_state_invalid`
 */
export async function saveCluster(
  { keys, checkpoint, policy }: PassedKeys,
  wrap: KeyWrap | undefined,
): Promise<void> {
  if (await hasClusterKeys()) throw new VaultError("joining_off");
  const file = await readPrivateFile(CHECKPOINT_FILE, CHECKPOINT_FILE_BYTES);
  const found = file && parseCheckpointState(file);
  const later =
    found?.last &&
    equal(found.logPublicKey, checkpoint.logPublicKey) &&
    found.last.size > (checkpoint.last?.size ?? -1n);
  if (found?.last && !later && !equal(found.logPublicKey, checkpoint.logPublicKey))
    throw new VaultError("checkpoint_state_invalid");
  if (!later) await saveCheckpoint(checkpoint);
  if (policy !== null) await writePrivateFile(POLICY_FILE, utf8(policy));
  await saveKeys(keys, wrap);
}

/** The key file of a running vault: each change is on disk before the next begins. */
export class ClusterFile {
  readonly #wrap: KeyWrap | undefined;
  #keys: ClusterKeys;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(keys: ClusterKeys, wrap: KeyWrap | undefined) {
    this.#keys = keys;
    this.#wrap = wrap;
  }

  get keys(): ClusterKeys {
    return this.#keys;
  }

  save(change: Partial<ClusterKeys>): Promise<void> {
    const saved = this.#turn.then(async () => {
      const keys = { ...this.#keys, ...change };
      await saveKeys(keys, this.#wrap);
      this.#keys = keys;
    });
    this.#turn = saved.catch(() => undefined);
    return saved;
  }
}

export async function saveCheckpoint(state: CheckpointState): Promise<void> {
  await writePrivateFile(CHECKPOINT_FILE, encodeCheckpointState(state));
}
