/** Which contracts the service uses, and what it may spend on them. */
import { readFile } from "node:fs/promises";
import { getAbiItem, toFunctionSelector, type Abi, type AbiFunction, type Address } from "viem";
import {
  checkpointAnchorAbi,
  ChainError,
  inferenceCoordinatorAbi,
  parseDeployment,
  type Deployment,
} from "../../client/chain/index.ts";
import type { ChainPolicy } from "../../vault/index.ts";
import { ConfigError, type Config } from "../config.ts";

export interface ChainSettings {
  deployment: Deployment;
  rpcUrl: string;
  policy: ChainPolicy;
  /** Whose requests are answered; undefined where the operator set no prices. */
  answered: { coordinator: Address; prices: ReadonlyMap<string, bigint> } | undefined;
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
  const { inferenceCoordinator: coordinator } = deployment;
  const { chainPrices: prices } = config;
  if (prices && !coordinator)
    throw invalid(["AFFIDAVIT_CHAIN_PRICES"], "the deployment names no coordinator whose requests could pay");
  const policy = policyFor(deployment, config);
  const answered = prices && coordinator && { coordinator, prices };
  return { deployment, rpcUrl: chainRpcUrl, policy, answered };
}

/** What the vault signs: anchors, deliveries where requests are answered, and nothing else. */
function policyFor(
  { chainId, checkpointAnchor, inferenceCoordinator }: Deployment,
  config: Config,
): ChainPolicy {
  const maxWeiPerHour = config.chainMaxWeiPerHour;
  const allowed = (address: Address, abi: Abi, name: string) => ({
    address: address.toLowerCase(),
    selectors: [toFunctionSelector(getAbiItem({ abi, name }) as AbiFunction)],
    maxWeiPerHour,
  });
  const anchor = allowed(checkpointAnchor, checkpointAnchorAbi, "anchor");
  const answers = config.chainPrices && inferenceCoordinator;
  return {
    chainId,
    contracts: answers ? [anchor, allowed(answers, inferenceCoordinatorAbi, "deliver")] : [anchor],
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
