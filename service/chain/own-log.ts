/** Anchors this service's own log. */
import { ChainError } from "../../client/chain/index.ts";
import type { LogTree } from "../db/index.ts";
import type { Services } from "../services.ts";
import { startAnchoring } from "./anchoring.ts";
import type { ChainKey } from "./chain-key.ts";
import { ownCheckpoints } from "./own-checkpoints.ts";

/** @param cleanup gets how to end the rounds */
export function anchorOwnLog(
  { deployment, node, sender, config, log }: ChainKey,
  { services, tree }: { services: Services; tree: LogTree },
  cleanup: (name: string, undo: () => Promise<unknown>) => void,
): void {
  const anchoring = startAnchoring({
    deployment,
    node,
    sender,
    confirmations: config.chainConfirmations,
    intervalMs: config.chainAnchorIntervalMs,
    source: ownCheckpoints(services, tree),
    onAnchored: (anchored) => log.info(anchored, "anchored"),
    onError: (error) => {
      const code = error instanceof ChainError ? (error.detail ?? error.code) : undefined;
      log.warn({ err: error, code }, "no anchor this time");
    },
  });
  cleanup("anchoring", () => anchoring.stop());
}
