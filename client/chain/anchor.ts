/** Log heads onto a chain. */
import { bytesToHex, encodeAbiParameters, keccak256, stringToHex, type Hex, type PublicClient } from "viem";
import {
  parseKeyset,
  readCheckpointStatement,
  type SignedCheckpointStatement,
} from "../../receipts/index.ts";
import { checkpointAnchorAbi } from "./contracts/checkpoint-anchor.ts";
import type { Deployment } from "./deployment.ts";
import { ChainError } from "./error.ts";
import { contractSignature } from "./receipt.ts";
import { onChain } from "./reverts.ts";
import { send, type ChainWriter, type Sent } from "./send.ts";

/** What an anchor reads of a service. */
export interface CheckpointSource {
  /** JSON text of `GET /v1/chain/checkpoint`. */
  checkpoint(): Promise<string>;
  /** RFC 9162 section 2.1.4. */
  consistency(first: bigint, second: bigint): Promise<Uint8Array[]>;
  /** The exact text of a keyset. @param digest 32 bytes */
  keyset(digest: Uint8Array): Promise<string>;
}

/** keccak256(abi.encode(keccak256(origin), Ed25519 key)): a log's name on chain. */
export function logId(origin: string, publicKey: Uint8Array): Hex {
  const parameters = [{ type: "bytes32" }, { type: "bytes32" }] as const;
  return keccak256(encodeAbiParameters(parameters, [keccak256(stringToHex(origin)), bytesToHex(publicKey)]));
}

/** The newest head of a log that the chain has; size 0 where it has none. */
export async function anchoredHead(
  reader: PublicClient,
  { checkpointAnchor }: Deployment,
  log: Hex,
): Promise<{ size: bigint; anchoredAtSeconds: bigint }> {
  const [size, anchoredAtSeconds] = await onChain(() =>
    reader.readContract({
      address: checkpointAnchor,
      abi: checkpointAnchorAbi,
      functionName: "heads",
      args: [log],
    }),
  );
  return { size, anchoredAtSeconds };
}

export interface Anchored {
  logId: Hex;
  previousSize: bigint;
  size: bigint;
  root: Hex;
}

/** The call that anchors the service's newest checkpoint, for whoever sends it. */
export async function anchorCall(reader: PublicClient, deployment: Deployment, source: CheckpointSource) {
  const signed: SignedCheckpointStatement = readCheckpointStatement(await source.checkpoint());
  const { statement, signature } = signed;
  const { publicKey } = parseKeyset(await source.keyset(statement.keysetDigest)).log;
  const log = logId(statement.origin, publicKey);
  const { size: previousSize } = await anchoredHead(reader, deployment, log);
  if (statement.size <= previousSize)
    throw new ChainError("checkpoint_not_newer", `the chain has the head of size ${previousSize} already`);
  const proof = previousSize === 0n ? [] : await source.consistency(previousSize, statement.size);
  const root = bytesToHex(statement.root);
  const checkpoint = {
    origin: statement.origin,
    size: statement.size,
    root,
    keysetDigest: bytesToHex(statement.keysetDigest),
    timeMs: statement.timeMs,
  };
  const anchored: Anchored = { logId: log, previousSize, size: statement.size, root };
  const hashes = proof.map((hash) => bytesToHex(hash));
  return {
    anchored,
    call: {
      address: deployment.checkpointAnchor,
      abi: checkpointAnchorAbi,
      functionName: "anchor",
      args: [checkpoint, bytesToHex(publicKey), contractSignature(signature), hashes],
    },
  } as const;
}

/**
 * Anchors the service's newest checkpoint.
 * @throws ChainError `checkpoint_not_newer`, `contract_reverted`; ReceiptError, AffidavitError for what the service gives
 */
export async function anchorCheckpoint(
  writer: ChainWriter,
  deployment: Deployment,
  source: CheckpointSource,
): Promise<{ anchored: Anchored; sent: Sent }> {
  const { anchored, call } = await anchorCall(writer.reader, deployment, source);
  return { anchored, sent: await send(writer, call) };
}
