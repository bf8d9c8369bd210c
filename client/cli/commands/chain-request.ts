/** `affidavit chain request`: asks a service through a chain's coordinator, and pays there. */
import { CodecError, fromHex, fromUtf8, sha256, utf8 } from "../../../codec/index.ts";
import { ModelError, OipError, parseCanonicalManifest, parseInferRequest } from "../../../models/client.ts";
import { canonicalTensors } from "../../../receipts/index.ts";
import { requestInference } from "../../chain/index.ts";
import { AffidavitError } from "../../errors.ts";
import { Transport } from "../../transport.ts";
import { objectOf, readObject, textMember } from "../admin.ts";
import {
  DEPLOYMENT_FLAG_HELP,
  deploymentFrom,
  READER_FLAGS_HELP,
  readAddress,
  refusing,
  WRITER_FLAGS_HELP,
  writerFlags,
  writerOf,
} from "../chain-connection.ts";
import { flags, printJson, readInput, RefusedError, UsageError, type Command } from "../command.ts";
import { DEFAULT_URL } from "../credentials.ts";

const MAX_INPUT_BYTES = 1024 * 1024;
const DEFAULT_DEADLINE_SECONDS = "3600";
const REEXECUTION = 2;

const HELP = `
affidavit chain request MODEL INPUT --deployment FILE --payment WEI [flags]

Asks a service by a transaction, as a contract would: the chain verifies the answer before the service is paid. INPUT is a
request in JSON, as for infer; everyone sees it. The answer is pulled: chain watch waits for it. Without one by the deadline
the payment can be fetched back.

  --payment WEI            what the answer is worth; the service says what it takes at least
  --deadline-seconds N     until when it is wanted, from now (${DEFAULT_DEADLINE_SECONDS}, up to 30 days)
  --assurance WHAT         tee (default) or tee+reexecution
  --url URL                the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
${DEPLOYMENT_FLAG_HELP}${WRITER_FLAGS_HELP}${READER_FLAGS_HELP}
`;

export const chainRequest: Command = { summary: "asks a service through a chain", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...writerFlags,
    payment: { type: "string" },
    "deadline-seconds": { type: "string" },
    assurance: { type: "string" },
    url: { type: "string" },
  });
  const [model, file, ...rest] = positionals;
  if (model === undefined || file === undefined || rest.length > 0)
    throw new UsageError("give MODEL and INPUT");
  const payment = readNumber("--payment", values.payment, 28);
  const seconds = readNumber("--deadline-seconds", values["deadline-seconds"] ?? DEFAULT_DEADLINE_SECONDS, 7);
  const reexecuted = isReexecuted(values.assurance);
  const publicInput = await readPublicInput(file);
  const writer = await writerOf(values);
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  if (!URL.canParse(url)) throw new UsageError("--url takes an address such as https://inference.example");
  const transport = new Transport({ url });
  const made = await refusing(async () => {
    const deployment = await deploymentFrom(values.deployment, writer.reader);
    const coordinator = deployment.inferenceCoordinator;
    if (!coordinator) throw new UsageError("the deployment names no coordinator", "file_unreadable");
    const offer = readObject(await transport.send("/v1/chain", {}));
    if (readAddress(textMember(offer, "coordinator"), "the service's coordinator") !== coordinator)
      throw new RefusedError("coordinator_mismatch", "the service answers another coordinator's requests");
    const policies = objectOf(offer["policies"]);
    const { timestamp } = await writer.reader.getBlock();
    return await requestInference(writer, coordinator, {
      modelId: await modelIdOf(transport, model),
      policyDigest: fromHex(textMember(policies, reexecuted ? "reexecution" : "tee"), 32),
      publicInput,
      operator: readAddress(textMember(offer, "operator"), "the service's operator"),
      payment,
      deadlineSeconds: Number(timestamp + seconds),
      assurance: reexecuted ? REEXECUTION : 0,
    });
  });
  const { requestId, sent } = made;
  if (values.json) printJson({ ok: true, code: "ok", requestId, ...sent });
  else process.stdout.write(`requested ${requestId}\ngas ${sent.gasUsed}, block ${sent.block}\n`);
  return 0;
}

function readNumber(flag: string, text: string | undefined, digits: number): bigint {
  if (text === undefined || !/^\d+$/.test(text) || text.length > digits)
    throw new UsageError(`${flag} takes a whole number of at most ${digits} digits`);
  return BigInt(text);
}

function isReexecuted(assurance = "tee"): boolean {
  if (assurance !== "tee" && assurance !== "tee+reexecution")
    throw new UsageError("--assurance takes tee or tee+reexecution");
  return assurance === "tee+reexecution";
}

async function readPublicInput(file: string): Promise<Uint8Array> {
  try {
    const { inputs } = parseInferRequest(await readInput(file, MAX_INPUT_BYTES));
    return canonicalTensors(inputs);
  } catch (error) {
    if (error instanceof OipError) throw new UsageError(`${file}: ${error.message}`, "file_unreadable");
    throw error;
  }
}

/** By the manifest itself, whose digest the id is: the service's word for it is not taken. */
async function modelIdOf(transport: Transport, wanted: string): Promise<Uint8Array> {
  const { body } = await transport.send("/v1/models", {});
  try {
    const { models } = JSON.parse(fromUtf8(body)) as { models: { manifest: string }[] };
    const found = models.find(({ manifest }) => {
      const { name, version } = parseCanonicalManifest(manifest);
      return wanted === name || wanted === `${name}/${version}`;
    });
    if (found) return sha256(utf8(found.manifest));
  } catch (cause) {
    const malformed = [SyntaxError, CodecError, TypeError, ModelError].some((kind) => cause instanceof kind);
    if (!malformed) throw cause;
    const message = "the server's answer is not what /v1/models answers";
    throw new AffidavitError("server_response_invalid", message, { cause });
  }
  throw new RefusedError("model_not_found", `the service offers no ${JSON.stringify(wanted)}`);
}
