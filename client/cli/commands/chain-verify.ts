/** `affidavit chain verify`: asks the contract about a receipt, without a transaction. */
import {
  PROMISED_PROOF,
  PROMISED_REEXECUTION,
  parseBundle,
  parseKeyset,
  parsePrivatePart,
  ReceiptError,
  type ReceiptBundle,
} from "../../../receipts/index.ts";
import type { PublicClient } from "viem";
import { fromUtf8 } from "../../../codec/index.ts";
import { receiptIdOf } from "../../audit/disclosure.ts";
import {
  anchoredHead,
  isFor,
  logId,
  PINNED_NOW,
  receiptFromBundle,
  verifyOnChain,
  type Deployment,
  type ReceiptExtras,
} from "../../chain/index.ts";
import { adminTransport } from "../admin.ts";
import {
  DEPLOYMENT_FLAG_HELP,
  deploymentFrom,
  READER_FLAGS_HELP,
  readAddress,
  readerFlags,
  readerOf,
  refusing,
} from "../chain-connection.ts";
import { fetchDelivery, fetchInclusion } from "../chain-extras.ts";
import {
  flags,
  onlyPositional,
  printJson,
  readInput,
  RefusedError,
  UsageError,
  type Command,
} from "../command.ts";
import { DEFAULT_URL } from "../credentials.ts";
import { paint } from "../output.ts";

const MAX_BYTES = 96 * 1024 * 1024;

const HELP = `
affidavit chain verify RECEIPT --consumer ADDRESS --deployment FILE [flags]

Asks the contract whether it would accept the receipt for this consumer. RECEIPT is what infer --save wrote, with
RECEIPT.private beside it: a contract sees the output. Exits 1 with the contract's own error where it would not.

  --consumer ADDRESS       the contract that the receipt is for: infer --audience
  --max-age-seconds N      refuses older receipts, by the host's clock
  --require proof          wants a delivered proof; likewise reexecution
  --proof ID               shows that delivered proof, which the service is asked for; likewise --reexecution ID
  --anchored               shows the receipt in the newest anchored head: what was there before its keyset ended still counts
  --pinned ID              accepts code that the consumer pins, by this reference value
  --url URL                the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
  --key KEY                the API key (AFFIDAVIT_API_KEY, else the file that npm start wrote)
${DEPLOYMENT_FLAG_HELP}${READER_FLAGS_HELP}
`;

export const chainVerify: Command = { summary: "asks the contract about a receipt", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...readerFlags,
    consumer: { type: "string" },
    "max-age-seconds": { type: "string" },
    require: { type: "string", multiple: true },
    pinned: { type: "string" },
    proof: { type: "string" },
    reexecution: { type: "string" },
    anchored: { type: "boolean" },
    url: { type: "string" },
    key: { type: "string" },
  });
  const path = onlyPositional(positionals, "receipt");
  if (values.consumer === undefined) throw new UsageError("give --consumer ADDRESS");
  const consumer = readAddress(values.consumer, "--consumer");
  const requirements = {
    delivered: (values.require ?? []).map(readFlag).reduce((all, bit) => all | bit, 0),
    pinnedAtSeconds: values.pinned === undefined ? 0n : PINNED_NOW,
    maxAgeSeconds: readAge(values["max-age-seconds"]),
  };
  const pinned = values.pinned === undefined ? {} : { referenceValueId: readId(values.pinned) };
  for (const name of ["proof", "reexecution"] as const) readPromiseId(values[name], name);
  const { bundle, privatePart } = await readFiles(path);
  const reader = readerOf(values.rpc);
  const { digest, intended } = await refusing(async () => {
    const deployment = await deploymentFrom(values.deployment, reader);
    const shown = await fetchExtras(values, bundle, reader, deployment);
    const receipt = receiptFromBundle(bundle, privatePart, { ...pinned, ...shown });
    const verified = await verifyOnChain(reader, deployment.receiptVerifier, consumer, receipt, requirements);
    const ours =
      bundle.type === "InferenceStatement" && isFor(bundle.statement, deployment.chainId, consumer);
    return { digest: verified, intended: ours };
  });
  if (values.json) printJson({ ok: true, code: "ok", statementDigest: digest, consumer, intended });
  else process.stdout.write(`${paint("green", "accepted")}  statement ${digest}\nfor ${consumer}\n`);
  return 0;
}

interface Wanted {
  proof?: string | undefined;
  reexecution?: string | undefined;
  anchored?: boolean | undefined;
  url?: string | undefined;
  key?: string | undefined;
}

/** What the service is asked for; nothing where nothing is wanted. */
async function fetchExtras(
  wanted: Wanted,
  bundle: ReceiptBundle,
  reader: PublicClient,
  deployment: Deployment,
): Promise<ReceiptExtras> {
  const { proof, reexecution, anchored } = wanted;
  if (proof === undefined && reexecution === undefined && !anchored) return {};
  const transport = await adminTransport(wanted);
  return {
    ...(proof !== undefined && { proof: await fetchDelivery(transport, "Proof", proof) }),
    ...(reexecution !== undefined && {
      reexecution: await fetchDelivery(transport, "Reexecution", reexecution),
    }),
    ...(anchored && {
      inclusion: await fetchInclusion(
        transport,
        receiptIdOf(bundle),
        await anchoredSize(bundle, reader, deployment),
      ),
    }),
  };
}

async function anchoredSize(bundle: ReceiptBundle, reader: PublicClient, deployment: Deployment) {
  const { origin, publicKey } = parseKeyset(bundle.keyset).log;
  const { size } = await anchoredHead(reader, deployment, logId(origin, publicKey));
  if (size === 0n) throw new RefusedError("not_anchored", "the chain has no head of the receipt's log");
  return size;
}

async function readFiles(path: string) {
  try {
    return {
      bundle: parseBundle(fromUtf8(await readInput(path, MAX_BYTES))),
      privatePart: parsePrivatePart(fromUtf8(await readInput(`${path}.private`, 2 * MAX_BYTES))),
    };
  } catch (error) {
    if (error instanceof ReceiptError) throw new UsageError(`${path}: ${error.message}`, "file_unreadable");
    throw error;
  }
}

function readFlag(name: string): number {
  if (name === "proof") return PROMISED_PROOF;
  if (name === "reexecution") return PROMISED_REEXECUTION;
  throw new UsageError("--require takes proof or reexecution");
}

function readAge(text = "0"): bigint {
  if (!/^\d{1,9}$/.test(text))
    throw new UsageError("--max-age-seconds is not a number of at most nine digits");
  return BigInt(text);
}

function readPromiseId(text: string | undefined, name: string): void {
  if (text !== undefined && !/^[0-9a-f-]{36}$/.test(text))
    throw new UsageError(`--${name} is not the id that the answer promised`);
}

function readId(text: string): NonNullable<ReceiptExtras["referenceValueId"]> {
  if (!/^0x[0-9a-f]{64}$/.test(text)) throw new UsageError("--pinned is not 32 bytes in lower-case hex");
  return text as `0x${string}`;
}
