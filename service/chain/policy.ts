/** Which contracts the service uses, and what it may spend on them. */
import { readFile } from "node:fs/promises";
import { toFunctionSelector } from "viem";
import {
  checkpointAnchorAbi,
  ChainError,
  parseDeployment,
  type Deployment,
} from "../../client/chain/index.ts";
import type { ChainPolicy } from "../../vault/index.ts";
import { ConfigError, type Config } from "../config.ts";

export interface ChainSettings {
  deployment: Deployment;
  rpcUrl: string;
  policy: ChainPolicy;
}

/** @returns undefined where no chain is configured. @throws ConfigError `setting_invalid` */
export async function chainSettings(config: Config): Promise<ChainSettings | undefined> {
  const { chainDeployment, chainRpcUrl } = config;
  if (chainDeployment === undefined && chainRpcUrl === undefined) return undefined;
  if (chainDeployment === undefined || chainRpcUrl === undefined)
    throw invalid(
      ["AFFIDAVIT_CHAIN_DEPLOYMENT", "AFFIDAVIT_CHAIN_RPC_URL"],
      "one is set and the other is not",
    );
  const deployment = await readDeployment(chainDeployment);
  return { deployment, rpcUrl: chainRpcUrl, policy: policyFor(deployment, config) };
}

/** What the vault signs: anchors, and nothing else. */
function policyFor({ chainId, checkpointAnchor }: Deployment, config: Config): ChainPolicy {
  const anchor = checkpointAnchorAbi.find((entry) => entry.type === "function" && entry.name === "anchor")!;
  const maxWeiPerHour = config.chainMaxWeiPerHour;
  return {
    chainId,
    contracts: [
      {
        address: checkpointAnchor.toLowerCase(),
        selectors: [toFunctionSelector(anchor as never)],
        maxWeiPerHour,
      },
    ],
    maxWeiPerTransaction: config.chainMaxWeiPerTransaction,
    maxWeiPerHour,
  };
}

async function readDeployment(path: string): Promise<Deployment> {
  try {
    return parseDeployment(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    const problem = error instanceof ChainError ? error.message : "the file cannot be read as JSON";
    throw invalid(["AFFIDAVIT_CHAIN_DEPLOYMENT"], problem);
  }
}

function invalid(settings: string[], problem: string): ConfigError {
  return new ConfigError("setting_invalid", settings, `${settings.join(", ")}: ${problem}`);
}
