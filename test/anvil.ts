/** A chain for tests: anvil on a free port of this machine. */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import {
  createPublicClient,
  createTestClient,
  createWalletClient,
  encodeDeployData,
  http,
  type Hex,
  type TransactionReceipt,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import type { ChainWriter } from "../client/chain/index.ts";
import { artifactOf } from "./contracts-build.ts";

const ANVIL = createRequire(import.meta.url).resolve("@foundry-rs/anvil/bin.mjs");

/** The first account of every anvil; its key is in Foundry's documentation. */
const ACCOUNT = privateKeyToAccount("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");

export type Chain = Awaited<ReturnType<typeof startAnvil>>;

async function portOf(output: AsyncIterable<Buffer>): Promise<number> {
  let text = "";
  for await (const chunk of output) {
    text += chunk;
    const port = /Listening on 127\.0\.0\.1:(\d+)/.exec(text)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`anvil did not start: ${text}`);
}

export interface AnvilOptions {
  /** Time of the first block. */
  readonly nowSeconds: number;
  /** Osaka brings the P-256 precompile; Prague has none. */
  readonly hardfork?: "osaka" | "prague";
  readonly chainId?: number;
}

export async function startAnvil({ nowSeconds, hardfork = "osaka", chainId = foundry.id }: AnvilOptions) {
  const flags = ["--port", "0", "--hardfork", hardfork, "--timestamp", String(nowSeconds), "--no-cors"];
  flags.push("--chain-id", String(chainId));
  const child = spawn(process.execPath, [ANVIL, ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const port = await portOf(child.stdout);
  child.stdout.resume();
  const url = `http://127.0.0.1:${port}`;
  const options = { chain: { ...foundry, id: chainId }, transport: http(url) } as const;
  const reader = createPublicClient({ ...options, pollingInterval: 20 });
  const sender = createWalletClient({ ...options, account: ACCOUNT });
  const cheats = createTestClient({ ...options, mode: "anvil" });

  /** Sends a transaction and waits for it. @throws viem's error where it reverts */
  const send = async (data: Hex, to?: Hex): Promise<TransactionReceipt> => {
    // Simulated first, so that a revert comes with its data.
    await reader.call({ account: ACCOUNT, data, ...(to && { to }) });
    const hash = await sender.sendTransaction({ data, gas: 16_000_000n, ...(to && { to }) });
    return reader.waitForTransactionReceipt({ hash });
  };
  const deploy = async (name: string, args: readonly unknown[]) => {
    const { abi, bytecode } = artifactOf(name);
    const receipt = await send(encodeDeployData({ abi, bytecode, args }));
    return { address: receipt.contractAddress!, gasUsed: receipt.gasUsed };
  };
  /** Makes a block of this time, which calls on the newest one see; a chain's time never goes back. */
  const warp = async (timestampSeconds: number) => {
    const { timestamp } = await reader.getBlock();
    if (timestamp >= BigInt(timestampSeconds)) return;
    await cheats.setNextBlockTimestamp({ timestamp: BigInt(timestampSeconds) });
    await cheats.mine({ blocks: 1 });
  };
  const stop = async () => {
    child.kill();
    await new Promise((done) => child.once("exit", done));
  };
  const writer: ChainWriter = { reader, wallet: sender };
  return { url, reader, sender, writer, cheats, send, deploy, warp, stop };
}
