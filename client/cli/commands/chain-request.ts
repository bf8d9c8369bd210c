/** `affidavit chain request`: asks a service through a chain's coordinator, and pays there. */
import { fromHex, sha256, utf8 } from "../../../codec/index.ts";
import { OipError, parseInferRequest } from "../../../models/client.ts";
import { circuitSalt, commitInput, ProofError } from "../../../proofs/client.ts";
import { canonicalTensors, type Tensor } from "../../../receipts/index.ts";
import { chainSource, offeredCircuit, requestInference } from "../../chain/index.ts";
import { createClient } from "../../client.ts";
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
import { askPrivately } from "../chain-private.ts";
import { DEFAULT_URL } from "../credentials.ts";
import { policyFlags, POLICY_FLAGS_HELP, policyFrom } from "../policy-flags.ts";
import { offeredModels } from "../offered-models.ts";

const MAX_INPUT_BYTES = 1024 * 1024;
const DEFAULT_DEADLINE_SECONDS = "3600";
/** Bits of what must be delivered. */
const ASSURANCES = { tee: 0, "tee+reexecution": 2, "tee+zk": 4 } as const;
type Assurance = keyof typeof ASSURANCES;
/** Everyone sees the input, so that its commitments hide nothing. */
const PUBLIC_SALT = new Uint8Array(32);

const HELP = `
affidavit chain request MODEL INPUT --deployment FILE --payment WEI [flags]

Asks a service by a transaction, as a contract would: the chain verifies the answer before the service is paid. INPUT is a
request in JSON, as for infer; everyone sees it, unless --private. The answer, which everyone sees, is pulled: chain watch waits
for it. Without one by the deadline the payment can be fetched back.

  --payment WEI            what the answer is worth; the service says what it takes at least
  --deadline-seconds N     until when it is wanted, from now (${DEFAULT_DEADLINE_SECONDS}, up to 30 days)
  --assurance WHAT         tee (default), tee+reexecution, or tee+zk: a proof that the chain verifies
  --private FILE           shows the chain a commitment to the input alone, and tells the service the rest, sealed, once its
                           evidence holds; FILE (mode 0600) keeps the opening, which chain open sends again
  --url URL                the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
${DEPLOYMENT_FLAG_HELP}${WRITER_FLAGS_HELP}${READER_FLAGS_HELP}
With --private:
${POLICY_FLAGS_HELP}
`;

export const chainRequest: Command = { summary: "asks a service through a chain", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...writerFlags,
    ...policyFlags,
    payment: { type: "string" },
    "deadline-seconds": { type: "string" },
    assurance: { type: "string" },
    private: { type: "string" },
    url: { type: "string" },
  });
  const [model, file, ...rest] = positionals;
  if (model === undefined || file === undefined || rest.length > 0)
    throw new UsageError("give MODEL and INPUT");
  const payment = readNumber("--payment", values.payment, 28);
  const seconds = readNumber("--deadline-seconds", values["deadline-seconds"] ?? DEFAULT_DEADLINE_SECONDS, 7);
  const assurance = readAssurance(values.assurance);
  const inputs = await readInputs(file);
  const writer = await writerOf(values);
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  if (!URL.canParse(url)) throw new UsageError("--url takes an address such as https://inference.example");
  const transport = new Transport({ url });
  const secret = values.private === undefined ? undefined : await secretOf(url, values.private, values);
  const made = await refusing(async () => {
    const deployment = await deploymentFrom(values.deployment, writer.reader);
    const coordinator = deployment.inferenceCoordinator;
    if (!coordinator) throw new UsageError("the deployment names no coordinator", "file_unreadable");
    const offer = readObject(await transport.send("/v1/chain", {}));
    if (readAddress(textMember(offer, "coordinator"), "the service's coordinator") !== coordinator)
      throw new RefusedError("coordinator_mismatch", "the service answers another coordinator's requests");
    if (assurance === "tee+zk" && !deployment.zkInferenceVerifier)
      throw new UsageError("the deployment names no verifier of ZK proofs", "file_unreadable");
    const { timestamp } = await writer.reader.getBlock();
    const modelId = await modelIdOf(transport, model);
    const salt = secret?.salt ?? PUBLIC_SALT;
    const isProved = assurance === "tee+zk";
    const ask = {
      modelId,
      ...(isProved ? await proved(url, modelId, { inputs, salt }) : underPolicy(offer, assurance)),
      operator: readAddress(textMember(offer, "operator"), "the service's operator"),
      payment,
      deadlineSeconds: Number(timestamp + seconds),
      assurance: ASSURANCES[assurance],
    };
    const input = canonicalTensors(inputs);
    if (secret) return await askPrivately({ ...secret, writer, coordinator, ask, input });
    return await requestInference(writer, coordinator, { ...ask, publicInput: input });
  });
  const { requestId, sent } = made;
  if (values.json) printJson({ ok: true, code: "ok", requestId, private: secret !== undefined, ...sent });
  else process.stdout.write(`requested ${requestId}\ngas ${sent.gasUsed}, block ${sent.block}\n`);
  return 0;
}

/** What a private request is made with: its salt, where its opening is kept, and who may be told it. */
async function secretOf(url: string, file: string, flagged: Parameters<typeof policyFrom>[0]) {
  const client = createClient({ url, policy: await policyFrom(flagged) });
  return { file, client, salt: crypto.getRandomValues(new Uint8Array(32)) };
}

function readNumber(flag: string, text: string | undefined, digits: number): bigint {
  if (text === undefined || !/^\d+$/.test(text) || text.length > digits)
    throw new UsageError(`${flag} takes a whole number of at most ${digits} digits`);
  return BigInt(text);
}

function readAssurance(text = "tee"): Assurance {
  if (Object.hasOwn(ASSURANCES, text)) return text as Assurance;
  throw new UsageError("--assurance takes tee, tee+reexecution or tee+zk");
}

function underPolicy(offer: Record<string, unknown>, assurance: Exclude<Assurance, "tee+zk">) {
  const name = assurance === "tee" ? "tee" : "reexecution";
  return { policyDigest: fromHex(textMember(objectOf(offer["policies"]), name), 32) };
}

/** What a proof is about: the policy that names the circuit's binding, and the input's commitment under it. */
async function proved(
  url: string,
  modelId: Uint8Array,
  { inputs, salt }: { inputs: readonly Tensor[]; salt: Uint8Array },
) {
  const offered = await offeredCircuit(chainSource(url), modelId);
  if (!offered) throw new RefusedError("circuit_missing", "the service has no circuit for this model");
  const { circuit, policyDigest } = offered;
  try {
    return { policyDigest, circuitInput: commitInput(circuit, inputs, circuitSalt(salt)) };
  } catch (cause) {
    if (cause instanceof ProofError) throw new RefusedError(cause.code, cause.message, { cause });
    throw cause;
  }
}

async function readInputs(file: string): Promise<Tensor[]> {
  try {
    return parseInferRequest(await readInput(file, MAX_INPUT_BYTES)).inputs;
  } catch (error) {
    if (error instanceof OipError) throw new UsageError(`${file}: ${error.message}`, "file_unreadable");
    throw error;
  }
}

/** By the manifest itself, whose digest the id is: the service's word for it is not taken. */
async function modelIdOf(transport: Transport, wanted: string): Promise<Uint8Array> {
  const models = await offeredModels(transport);
  const found = models.find(
    ({ manifest: { name, version } }) => wanted === name || wanted === `${name}/${version}`,
  );
  if (!found) throw new RefusedError("model_not_found", `the service offers no ${JSON.stringify(wanted)}`);
  return sha256(utf8(found.text));
}
