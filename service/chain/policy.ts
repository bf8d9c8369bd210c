/** Which contracts the service uses, and what it may spend on them. */
import { readFile } from "node:fs/promises";
import { getAbiItem, pad, toFunctionSelector, type Abi, type AbiFunction, type Address } from "viem";
import {
  checkpointAnchorAbi,
  ChainError,
  inferenceCoordinatorAbi,
  parseDeployment,
  type Deployment,
} from "../../client/chain/index.ts";
import type { ChainPolicy } from "../../vault/index.ts";
import { ConfigError, type Config } from "../config.ts";

/** Whatever these do, ether and tokens stay the chain key's in the coordinator. */
const WRITTEN = ["deliver", "commit", "reveal", "release", "conclude", "stake", "unstake"];

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
  if ((config.chainPayee === undefined) !== (config.chainPayouts === undefined))
    throw invalid(["AFFIDAVIT_CHAIN_PAYEE", "AFFIDAVIT_CHAIN_PAYOUTS"], "one is set and the other is not");
  const policy = policyFor(deployment, config);
  const answered = prices && coordinator && { coordinator, prices };
  return { deployment, rpcUrl: chainRpcUrl, policy, answered };
}

/** What the vault signs: anchors, where requests are answered what that takes, withdrawals to the payee alone; nothing else. */
function policyFor(
  { chainId, checkpointAnchor, inferenceCoordinator }: Deployment,
  config: Config,
): ChainPolicy {
  const { chainMaxWeiPerHour: maxWeiPerHour, chainPayee: payee } = config;
  const anchor = {
    address: checkpointAnchor.toLowerCase(),
    selectors: [selectorOf(checkpointAnchorAbi, "anchor")],
    pinned: [],
    maxWeiPerHour,
  };
  const answers = config.chainPrices && inferenceCoordinator;
  const withdraw = selectorOf(inferenceCoordinatorAbi, "withdraw");
  const coordinator = answers && {
    address: answers.toLowerCase(),
    selectors: WRITTEN.map((name) => selectorOf(inferenceCoordinatorAbi, name)),
    // withdraw(token, to, amount)
    pinned: payee ? [{ selector: withdraw, index: 1, word: pad(payee) }] : [],
    maxWeiPerHour,
  };
  return {
    chainId,
    contracts: coordinator ? [anchor, coordinator] : [anchor],
    maxWeiPerTransaction: config.chainMaxWeiPerTransaction,
    maxWeiPerHour,
  };
}

function selectorOf(abi: Abi, name: string): string {
  return toFunctionSelector(getAbiItem({ abi, name }) as AbiFunction);
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
