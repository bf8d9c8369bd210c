/** What passes from vault to vault: `key file length u32 ‖ cluster.keys ‖ last.checkpoint ‖ the owner's policy, if there is one`. */
import { concat, fromUtf8, utf8 } from "../../codec/index.ts";
import { VaultError } from "../error.ts";
import {
  CHECKPOINT_FILE_BYTES,
  encodeCheckpointState,
  parseCheckpointState,
  type CheckpointState,
} from "./checkpoint-state.ts";
import { encodeClusterKeys, parseClusterKeys, type ClusterKeys } from "./cluster-keys.ts";

export interface PassedKeys {
  keys: ClusterKeys;
  checkpoint: CheckpointState;
  /** Exact text of the policy in force; null for none. */
  policy: string | null;
}

export function encodePassedKeys({ keys, checkpoint, policy }: PassedKeys): Uint8Array {
  const file = encodeClusterKeys(keys);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(file.length);
  const passed = concat(length, file, encodeCheckpointState(checkpoint), utf8(policy ?? ""));
  file.fill(0);
  return passed;
}

/** @throws VaultError `key_file_invalid`, `checkpoint_state_invalid`, `policy_invalid` */
export function parsePassedKeys(passed: Buffer, nowMs: number): PassedKeys {
  if (passed.length < 4) throw new VaultError("key_file_invalid");
  const end = 4 + passed.readUInt32LE(0);
  const { keys } = parseClusterKeys(passed.subarray(4, end), nowMs);
  const checkpoint = parseCheckpointState(passed.subarray(end, end + CHECKPOINT_FILE_BYTES));
  const rest = passed.subarray(end + CHECKPOINT_FILE_BYTES);
  return { keys, checkpoint, policy: rest.length === 0 ? null : readText(rest) };
}

function readText(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new VaultError("policy_invalid", { cause });
  }
}
