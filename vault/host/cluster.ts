/** Loads the cluster keys and the last signed checkpoint, or makes both on an empty key directory. */
import { equal } from "../../codec/index.ts";
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
import { CHECKPOINT_FILE, KEY_FILE } from "./key-directory.ts";
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
export async function loadCluster(nowMs: number): Promise<Cluster> {
  const keyFile = await readPrivateFile(KEY_FILE, KEY_FILE_BYTES);
  const stateFile = await readPrivateFile(CHECKPOINT_FILE, CHECKPOINT_FILE_BYTES);
  const checkpoint = stateFile && parseCheckpointState(stateFile);
  if (!keyFile) {
    if (checkpoint?.last) throw new VaultError("cluster_keys_missing");
    return createCluster(nowMs);
  }
  const { keys, upgraded } = parseClusterKeys(keyFile, nowMs);
  if (!checkpoint) throw new VaultError("checkpoint_state_missing");
  if (!equal(checkpoint.logPublicKey, ed25519FromSeed(keys.logSeed).publicKey)) {
    throw new VaultError("checkpoint_state_invalid");
  }
  if (upgraded) await saveKeys(keys);
  return { keys, checkpoint };
}

async function createCluster(nowMs: number): Promise<Cluster> {
  const keys = drawClusterKeys(nowMs);
  const checkpoint = { logPublicKey: ed25519FromSeed(keys.logSeed).publicKey, last: null };
  await writePrivateFile(CHECKPOINT_FILE, encodeCheckpointState(checkpoint));
  await saveKeys(keys);
  return { keys, checkpoint };
}

export async function saveKeys(keys: ClusterKeys): Promise<void> {
  await writePrivateFile(KEY_FILE, encodeClusterKeys(keys));
}

/** The key file of a running vault: each change is on disk before the next begins. */
export class ClusterFile {
  #keys: ClusterKeys;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(keys: ClusterKeys) {
    this.#keys = keys;
  }

  save(change: Partial<ClusterKeys>): Promise<void> {
    const saved = this.#turn.then(async () => {
      const keys = { ...this.#keys, ...change };
      await saveKeys(keys);
      this.#keys = keys;
    });
    this.#turn = saved.catch(() => undefined);
    return saved;
  }
}

export async function saveCheckpoint(state: CheckpointState): Promise<void> {
  await writePrivateFile(CHECKPOINT_FILE, encodeCheckpointState(state));
}
