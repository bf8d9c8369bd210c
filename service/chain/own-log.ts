/** Anchors this service's own log. */
import type { Logger } from "pino";
import { ChainError } from "../../client/chain/index.ts";
import { toHex0x } from "../../codec/index.ts";
import type { Vault } from "../../vault/index.ts";
import type { Config } from "../config.ts";
import type { LogTree } from "../db/index.ts";
import type { Services } from "../services.ts";
import { startAnchoring } from "./anchoring.ts";
import { ownCheckpoints } from "./own-checkpoints.ts";
import type { ChainSettings } from "./policy.ts";

interface AnchorParts {
  config: Config;
  services: Services;
  tree: LogTree;
  vault: () => Vault;
  log: Logger;
}

/** @returns once the chain key's account is known; the rounds go on until `cleanup` ends them */
export async function anchorOwnLog(
  { deployment, rpcUrl }: ChainSettings,
  { config, services, tree, vault, log }: AnchorParts,
  cleanup: (name: string, undo: () => Promise<unknown>) => void,
): Promise<void> {
  log.info({ address: toHex0x(await vault().chainAccount()) }, "chain account");
  const anchoring = startAnchoring({
    deployment,
    rpcUrl,
    intervalMs: config.chainAnchorIntervalMs,
    source: ownCheckpoints(services, tree),
    vault,
    onAnchored: (anchored) => log.info(anchored, "anchored"),
    onError: (error) => {
      const code = error instanceof ChainError ? (error.detail ?? error.code) : undefined;
      log.warn({ err: error, code }, "no anchor this time");
    },
  });
  cleanup("anchoring", () => anchoring.stop());
}
