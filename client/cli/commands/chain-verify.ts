/** `affidavit chain verify`: asks the contract about a receipt, without a transaction. */
import {
  PROMISED_PROOF,
  PROMISED_REEXECUTION,
  parseBundle,
  parsePrivatePart,
  ReceiptError,
} from "../../../receipts/index.ts";
import { fromUtf8 } from "../../../codec/index.ts";
import {
  isFor,
  PINNED_NOW,
  receiptFromBundle,
  verifyOnChain,
  type ReceiptExtras,
} from "../../chain/index.ts";
import {
  DEPLOYMENT_FLAG_HELP,
  deploymentFrom,
  READER_FLAGS_HELP,
  readAddress,
  readerFlags,
  readerOf,
  refusing,
} from "../chain-connection.ts";
import { flags, onlyPositional, printJson, readInput, UsageError, type Command } from "../command.ts";
import { paint } from "../output.ts";

const MAX_BYTES = 96 * 1024 * 1024;

const HELP = `
affidavit chain verify RECEIPT --consumer ADDRESS --deployment FILE [flags]

Asks the contract whether it would accept the receipt for this consumer. RECEIPT is what infer --save wrote, with
RECEIPT.private beside it: a contract sees the output. Exits 1 with the contract's own error where it would not.

  --consumer ADDRESS       the contract that the receipt is for: infer --audience
  --max-age-seconds N      refuses older receipts, by the host's clock
  --require proof          wants a delivered proof; likewise reexecution
  --pinned ID              accepts code that the consumer pinned, by this reference value
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
  });
  const path = onlyPositional(positionals, "receipt");
  if (values.consumer === undefined) throw new UsageError("give --consumer ADDRESS");
  const consumer = readAddress(values.consumer, "--consumer");
  const requirements = {
    delivered: (values.require ?? []).map(readFlag).reduce((all, bit) => all | bit, 0),
    pinnedAtSeconds: values.pinned === undefined ? 0n : PINNED_NOW,
    maxAgeSeconds: readAge(values["max-age-seconds"]),
  };
  const extras = values.pinned === undefined ? {} : { referenceValueId: readId(values.pinned) };
  const { bundle, privatePart } = await readFiles(path);
  const reader = readerOf(values.rpc);
  const { digest, intended } = await refusing(async () => {
    const deployment = await deploymentFrom(values.deployment, reader);
    const receipt = receiptFromBundle(bundle, privatePart, extras);
    const verified = await verifyOnChain(reader, deployment.receiptVerifier, consumer, receipt, requirements);
    const ours =
      bundle.type === "InferenceStatement" && isFor(bundle.statement, deployment.chainId, consumer);
    return { digest: verified, intended: ours };
  });
  if (values.json) printJson({ ok: true, code: "ok", statementDigest: digest, consumer, intended });
  else process.stdout.write(`${paint("green", "accepted")}  statement ${digest}\nfor ${consumer}\n`);
  return 0;
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

function readId(text: string): NonNullable<ReceiptExtras["referenceValueId"]> {
  if (!/^0x[0-9a-f]{64}$/.test(text)) throw new UsageError("--pinned is not 32 bytes in lower-case hex");
  return text as `0x${string}`;
}
