/** What the `chain` commands share: the chain, who pays, and which contracts. */
import { stat } from "node:fs/promises";
import {
  createPublicClient,
  createWalletClient,
  getAddress,
  http,
  isAddress,
  isHex,
  type Account,
  type Address,
  type PublicClient,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { fromUtf8 } from "../../codec/index.ts";
import { ReceiptError } from "../../receipts/index.ts";
import {
  ChainError,
  checkDeployment,
  parseDeployment,
  type ChainWriter,
  type Deployment,
} from "../chain/index.ts";
import { readInput, RefusedError, UsageError } from "./command.ts";
import { readJson } from "./json-file.ts";

const DEFAULT_RPC_URL = "http://127.0.0.1:8545";
const RPC_TIMEOUT_MS = 30_000;
const MAX_DEPLOYMENT_BYTES = 64 * 1024;
const GROUP_AND_OTHERS = 0o077;

export const readerFlags = {
  rpc: { type: "string" },
  deployment: { type: "string" },
  json: { type: "boolean" },
} as const;
export const writerFlags = {
  ...readerFlags,
  "key-file": { type: "string" },
  from: { type: "string" },
} as const;

export const READER_FLAGS_HELP = `
  --rpc URL            the chain's JSON-RPC endpoint (AFFIDAVIT_RPC_URL, else ${DEFAULT_RPC_URL})
  --json               one line for machines`;
export const DEPLOYMENT_FLAG_HELP = `
  --deployment FILE    the contracts, as chain deploy wrote them`;
export const WRITER_FLAGS_HELP = `
  --key-file FILE      the payer's private key: 64 hex digits in a file that only you can read
  --from ADDRESS       instead: an account that the endpoint holds, such as anvil's`;

export function readerOf(rpc: string | undefined): PublicClient {
  return createPublicClient({ transport: transportOf(rpc) });
}

/** @throws UsageError */
export async function writerOf(values: {
  rpc?: string | undefined;
  "key-file"?: string | undefined;
  from?: string | undefined;
}): Promise<ChainWriter> {
  const account = await accountOf(values["key-file"], values.from);
  return {
    reader: readerOf(values.rpc),
    wallet: createWalletClient({ account, transport: transportOf(values.rpc) }),
  };
}

function transportOf(given: string | undefined) {
  const url = given ?? process.env["AFFIDAVIT_RPC_URL"] ?? DEFAULT_RPC_URL;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new UsageError("--rpc is not an http or https URL");
  return http(url, { timeout: RPC_TIMEOUT_MS, retryCount: 1 });
}

async function accountOf(keyFile: string | undefined, from: string | undefined): Promise<Account> {
  if ((keyFile === undefined) === (from === undefined))
    throw new UsageError("give either --key-file or --from");
  if (from !== undefined) return { address: readAddress(from, "--from"), type: "json-rpc" };
  const { mode } = await stat(keyFile!).catch((cause: Error) => {
    throw new UsageError(`cannot read ${keyFile}: ${cause.message}`, "file_unreadable");
  });
  if (process.platform !== "win32" && (mode & GROUP_AND_OTHERS) !== 0)
    throw new UsageError(`${keyFile} can be read by others: chmod 600 it`, "file_unreadable");
  const text = fromUtf8(await readInput(keyFile!, 256)).trim();
  const key = text.startsWith("0x") ? text : `0x${text}`;
  if (!isHex(key) || key.length !== 66)
    throw new UsageError(`${keyFile} does not hold 64 hex digits`, "file_unreadable");
  return privateKeyToAccount(key);
}

/** @throws UsageError */
export function readAddress(text: string, flag: string): Address {
  if (!isAddress(text, { strict: false })) throw new UsageError(`${flag} is not an address`);
  return getAddress(text);
}

/** The deployment, compared with the chain. @throws UsageError, ChainError */
export async function deploymentFrom(path: string | undefined, reader: PublicClient): Promise<Deployment> {
  if (path === undefined) throw new UsageError("give --deployment FILE");
  const deployment = readDeployment(await readJson(path, MAX_DEPLOYMENT_BYTES));
  await checkDeployment(reader, deployment);
  return deployment;
}

function readDeployment(value: unknown): Deployment {
  try {
    return parseDeployment(value);
  } catch (error) {
    if (error instanceof ChainError) throw new UsageError(error.message, "file_unreadable");
    throw error;
  }
}

/** Runs a command's work; a chain's or a contract's no is exit 1 with its own code. */
export async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ChainError)
      throw new RefusedError(error.detail ?? error.code, error.message, { cause: error });
    if (error instanceof ReceiptError) throw new RefusedError(error.code, error.message, { cause: error });
    throw error;
  }
}
