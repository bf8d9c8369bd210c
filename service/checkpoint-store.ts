/** Where checkpoints are kept, and the tree that they are of: the database. */
import { toHex0x } from "../codec/index.ts";
import { readCheckpointStatement, type SignedCheckpointStatement } from "../receipts/index.ts";
import type { CheckpointFeed } from "./checkpoint-feed.ts";
import type { CheckpointStore } from "./checkpoints.ts";
import { storeCosignatures } from "./cosigned-store.ts";
import { latestCheckpoint, putCheckpoint, type Database, type LogTree } from "./db/index.ts";
import { cosignatureLines } from "./witnessing.ts";

export function checkpointStore(database: Database, tree: LogTree, feed: CheckpointFeed): CheckpointStore {
  return {
    head: () => tree.head(),
    consistencyProof: (first, second) => tree.consistencyProof(first, second),
    latest: () => latestCheckpoint(database),
    async put({ size, root, note, eip712 }) {
      const row = { size, root, note, eip712: JSON.stringify(eip712, plain) };
      // Where another replica stored its own of this size, what this one's witnesses signed is added to it.
      if (!(await putCheckpoint(database, row)))
        await storeCosignatures(database, note, cosignatureLines(note));
      feed.publish(size);
    },
  };
}

/** Bytes as hex and large numbers as decimal text. */
function plain(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return value instanceof Uint8Array ? toHex0x(value) : value;
}

/**
 * The form for contracts, as `put` stored it.
 * @throws ReceiptError `checkpoint_invalid`
 */
export function storedCheckpointStatement(eip712: string): SignedCheckpointStatement {
  const { digest: _, signature, ...statement } = JSON.parse(eip712) as Record<string, unknown>;
  return readCheckpointStatement(JSON.stringify({ formatVersion: 1, statement, signature }));
}
