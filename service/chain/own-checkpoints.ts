/** This service's own log, for its anchors. */
import { checkpointStatementToJson } from "../../receipts/index.ts";
import { ChainError, type CheckpointSource } from "../../client/chain/index.ts";
import { fromUtf8 } from "../../codec/index.ts";
import type { LogTree } from "../db/index.ts";
import type { Services } from "../services.ts";

export function ownCheckpoints(
  { transparencyLog, documents }: Pick<Services, "transparencyLog" | "documents">,
  tree: LogTree,
): CheckpointSource {
  return {
    async checkpoint() {
      const signed = await transparencyLog.checkpointStatement();
      if (!signed) throw new ChainError("checkpoint_not_newer", "the log has no checkpoint yet");
      return JSON.stringify(checkpointStatementToJson(signed));
    },
    consistency: (first, second) => tree.consistencyProof(first, second),
    async keyset(digest) {
      const document = await documents.get(digest);
      if (!document)
        throw new ChainError("checkpoint_not_newer", "the checkpoint's keyset is not stored here");
      return fromUtf8(document.body);
    },
  };
}
