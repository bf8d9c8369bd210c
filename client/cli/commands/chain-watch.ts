/** `affidavit chain watch`: waits for the end of one request, or lists a coordinator's requests. */
import { setTimeout as sleep } from "node:timers/promises";
import { isHex, type Address, type Hex, type PublicClient } from "viem";
import { deliveredAnswer, listRequests, requestStatus, type RequestStatus } from "../../chain/index.ts";
import {
  DEPLOYMENT_FLAG_HELP,
  deploymentFrom,
  READER_FLAGS_HELP,
  readerFlags,
  readerOf,
  refusing,
} from "../chain-connection.ts";
import { flags, printJson, RefusedError, UsageError, type Command } from "../command.ts";
import { paint, table } from "../output.ts";

const DEFAULT_TIMEOUT_SECONDS = "600";
const POLL_MS = 1000;

const HELP = `
affidavit chain watch [REQUEST] --deployment FILE [flags]

Waits for the end of a request that chain request or a contract made, and shows the answer, which the chain verified; exits 1
where it was refunded, or is open when the time is over. Without REQUEST it lists the coordinator's requests.

  --timeout-seconds N      how long it waits (${DEFAULT_TIMEOUT_SECONDS})
  --from-block N           where to look from (0): endpoints limit how many blocks they search
${DEPLOYMENT_FLAG_HELP}${READER_FLAGS_HELP}
`;

export const chainWatch: Command = { summary: "waits for a request's answer", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...readerFlags,
    "timeout-seconds": { type: "string" },
    "from-block": { type: "string" },
  });
  const [requestId, ...rest] = positionals;
  if (rest.length > 0) throw new UsageError("chain watch takes one request");
  if (requestId !== undefined && (!isHex(requestId) || requestId.length !== 66))
    throw new UsageError("REQUEST is not 0x and 64 hex digits");
  const timeoutMs =
    1000 * readNumber("--timeout-seconds", values["timeout-seconds"] ?? DEFAULT_TIMEOUT_SECONDS);
  const fromBlock = BigInt(readNumber("--from-block", values["from-block"] ?? "0"));
  const reader = readerOf(values.rpc);
  return await refusing(async () => {
    const { inferenceCoordinator } = await deploymentFrom(values.deployment, reader);
    if (!inferenceCoordinator) throw new UsageError("the deployment names no coordinator", "file_unreadable");
    const place = { reader, coordinator: inferenceCoordinator, fromBlock, json: values.json === true };
    if (requestId === undefined) return await list(place);
    return await waitFor(place, requestId.toLowerCase() as Hex, timeoutMs);
  });
}

function readNumber(flag: string, text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new UsageError(`${flag} takes a whole number`);
  return Number(text);
}

interface Place {
  reader: PublicClient;
  coordinator: Address;
  fromBlock: bigint;
  json: boolean;
}

async function list({ reader, coordinator, fromBlock, json }: Place): Promise<number> {
  const requests = await listRequests(reader, coordinator, fromBlock);
  if (json) printJson({ ok: true, code: "ok", requests });
  else {
    const rows = requests.map(({ requestId, block, status }) => [requestId, String(block), status]);
    process.stdout.write(`${table([["REQUEST", "BLOCK", "STATUS"], ...rows])}\n`);
  }
  return 0;
}

/** @throws RefusedError `request_unknown`, `request_open`, `request_refunded` */
async function waitFor(place: Place, requestId: Hex, timeoutMs: number): Promise<number> {
  const { reader, coordinator, fromBlock, json } = place;
  const status = await endOf(place, requestId, Date.now() + timeoutMs);
  if (status === "none") throw new RefusedError("request_unknown", "the coordinator knows no such request");
  if (status === "open") throw new RefusedError("request_open", "no answer was delivered in this time");
  if (status === "refunded") throw new RefusedError("request_refunded", "the payment went back");
  const answer = await deliveredAnswer(reader, coordinator, requestId, fromBlock);
  if (json) printJson({ ok: true, code: "ok", requestId, status, answer: answer ?? null });
  else {
    const output = answer?.receipt?.encodedOutput ?? "not in the transaction: another contract handed it in";
    process.stdout.write(
      `${paint("green", "delivered")}  statement ${answer?.statementDigest}\noutput ${output}\n`,
    );
  }
  return 0;
}

async function endOf(
  { reader, coordinator }: Place,
  requestId: Hex,
  untilMs: number,
): Promise<RequestStatus> {
  for (;;) {
    const status = await requestStatus(reader, coordinator, requestId);
    if ((status !== "open" && status !== "none") || Date.now() + POLL_MS > untilMs) return status;
    await sleep(POLL_MS);
  }
}
