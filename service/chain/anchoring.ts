/**
 * Anchors the log's heads on a chain. The vault signs each transaction within its limits; what a crash leaves behind is at most
 * a transaction that is mined or not, and the next round starts from what the chain then has.
 */
import {
  createPublicClient,
  encodeFunctionData,
  http,
  bytesToHex,
  hexToBytes,
  type Address,
  type PublicClient,
} from "viem";
import {
  anchorCall,
  ChainError,
  onChain,
  type CheckpointSource,
  type Deployment,
} from "../../client/chain/index.ts";
import type { Vault } from "../../vault/index.ts";

const RPC_TIMEOUT_MS = 15_000;
const MINED_TIMEOUT_MS = 180_000;

export interface AnchoringOptions {
  deployment: Deployment;
  rpcUrl: string;
  intervalMs: number;
  /** What is anchored: this service's own log. */
  source: CheckpointSource;
  vault: () => Vault;
  onAnchored: (anchored: { size: bigint; transaction: string; gasUsed: bigint }) => void;
  onError: (error: unknown) => void;
}

export interface Anchoring {
  stop(): Promise<void>;
}

/** One round at the start, then one an interval; a round without anything new sends nothing. */
export function startAnchoring(options: AnchoringOptions): Anchoring {
  const reader = createPublicClient({ transport: http(options.rpcUrl, { timeout: RPC_TIMEOUT_MS }) });
  let running: Promise<void> | undefined;
  const round = () => {
    running ??= anchorOnce(reader, options)
      .catch((error: unknown) => {
        if (!(error instanceof ChainError) || error.code !== "checkpoint_not_newer") options.onError(error);
      })
      .finally(() => (running = undefined));
  };
  round();
  const timer = setInterval(round, options.intervalMs);
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

async function anchorOnce(reader: PublicClient, options: AnchoringOptions): Promise<void> {
  const { deployment, source, onAnchored } = options;
  const chainId = await onChain(() => reader.getChainId());
  if (chainId !== deployment.chainId)
    throw new ChainError(
      "chain_mismatch",
      `the deployment is on chain ${deployment.chainId}, this is ${chainId}`,
    );
  const { anchored, call } = await anchorCall(reader, deployment, source);
  const vault = options.vault();
  const from = bytesToHex(await vault.chainAccount());
  // A refusal of the contract costs nothing and comes with its error.
  await onChain(() => reader.simulateContract({ ...call, account: from }));
  const raw = await signed(reader, vault, {
    chainId,
    from,
    to: call.address,
    data: encodeFunctionData(call),
  });
  const transaction = await onChain(() => reader.sendRawTransaction({ serializedTransaction: raw }));
  const mined = await onChain(() =>
    reader.waitForTransactionReceipt({ hash: transaction, timeout: MINED_TIMEOUT_MS, pollingInterval: 1000 }),
  );
  if (mined.status !== "success") throw new ChainError("transaction_failed", `${transaction} was reverted`);
  onAnchored({ size: anchored.size, transaction, gasUsed: mined.gasUsed });
}

interface Call {
  chainId: number;
  from: Address;
  to: Address;
  data: `0x${string}`;
}

async function signed(
  reader: PublicClient,
  vault: Vault,
  { chainId, from, to, data }: Call,
): Promise<`0x${string}`> {
  const [gas, fees, nonce] = await onChain(() =>
    Promise.all([
      reader.estimateGas({ account: from, to, data }),
      reader.estimateFeesPerGas(),
      reader.getTransactionCount({ address: from, blockTag: "pending" }),
    ]),
  );
  const { raw } = await vault.signTransaction({
    chainId: BigInt(chainId),
    nonce: BigInt(nonce),
    maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
    maxFeePerGas: fees.maxFeePerGas,
    // What the estimate misses where the state moves on.
    gasLimit: (gas * 12n) / 10n,
    to: hexToBytes(to),
    value: 0n,
    data: hexToBytes(data),
  });
  return bytesToHex(raw);
}
