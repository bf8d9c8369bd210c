/** `affidavit chain circuit`: lets a chain verify the proofs of a circuit. */
import type { Address, PublicClient } from "viem";
import { bytesToHex } from "viem";
import { equal, sha256, toHex0x, utf8 } from "../../../codec/index.ts";
import { makeVerifier, type StoredCircuit, type VerifierCode } from "../../../proofs/index.ts";
import {
  chainSource,
  deployVerifier,
  offeredCircuit,
  registerCircuit,
  requireRegistrable,
  type SignedBinding,
} from "../../chain/index.ts";
import { Transport } from "../../transport.ts";
import {
  DEPLOYMENT_FLAG_HELP,
  deploymentFrom,
  READER_FLAGS_HELP,
  readAddress,
  refusing as refusingChain,
  WRITER_FLAGS_HELP,
  writerFlags,
  writerOf,
} from "../chain-connection.ts";
import { CIRCUITS_HELP, findCircuit, openProofSystem, refusing } from "../circuits.ts";
import { flags, onlyPositional, printJson, RefusedError, UsageError, type Command } from "../command.ts";
import { DEFAULT_URL } from "../credentials.ts";
import { paint, table } from "../output.ts";
import { offeredModels } from "../offered-models.ts";

const HELP = `
affidavit chain circuit ID --deployment FILE [flags]

Generates the contract that verifies the circuit's proofs from its verifying key, deploys it, and registers it by the binding
that the service's enclave signed: from then on, behind the deployment's delay, contracts can ask for such proofs. Only the
deployment's owner can. ID is the circuit's id in hex or the first digits of it.

  --url URL            the service that has the circuit in use (AFFIDAVIT_URL, else ${DEFAULT_URL})
  --reusable           a verifier for all circuits beside a contract that is the key. Without it one contract with the key inside,
                       where that is small enough for a chain
  --verifier ADDRESS   with --reusable: such a verifier that is on the chain already; its code is compared${CIRCUITS_HELP}
${DEPLOYMENT_FLAG_HELP}${WRITER_FLAGS_HELP}${READER_FLAGS_HELP}
`;

export const chainCircuit: Command = { summary: "lets a chain verify a circuit's proofs", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...writerFlags,
    url: { type: "string" },
    reusable: { type: "boolean" },
    verifier: { type: "string" },
    "data-dir": { type: "string" },
  });
  const id = onlyPositional(positionals, "circuit id");
  const reused = values.verifier === undefined ? undefined : readAddress(values.verifier, "--verifier");
  if (reused && !values.reusable) throw new UsageError("--verifier is of --reusable");
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  if (!URL.canParse(url)) throw new UsageError("--url takes an address such as https://inference.example");
  const writer = await writerOf(values);
  const stored = await findCircuit(id, values["data-dir"]);
  const { circuit } = stored;
  const made = await refusingChain(async () => {
    const deployment = await deploymentFrom(values.deployment, writer.reader);
    if (!deployment.zkInferenceVerifier)
      throw new UsageError("the deployment names no verifier of ZK proofs", "file_unreadable");
    const decimals = await decimalsOf(new Transport({ url }), stored);
    const binding = await bindingOf(url, stored);
    const registrable = { circuit, decimals, binding };
    await requireRegistrable(writer, deployment, registrable);
    const code = await verifierOf(stored, values.reusable ? "reusable" : undefined);
    if (reused) await requireCode(writer.reader, reused, code);
    const { place, steps } = await deployVerifier(writer, code, reused);
    const { countsFromSeconds, sent } = await registerCircuit(writer, deployment, registrable, place);
    return { place, steps, countsFromSeconds, sent };
  });
  report(values.json === true, toHex0x(circuit.circuitId), made);
  return 0;
}

/** @throws RefusedError `proof_system_missing`, `verifier_too_large`, `verifier_unsuitable` */
async function verifierOf(stored: StoredCircuit, form: "reusable" | undefined): Promise<VerifierCode> {
  const system = openProofSystem();
  try {
    return await refusing(() => makeVerifier(system, stored, form));
  } finally {
    await system.close();
  }
}

/** @throws RefusedError `circuit_not_offered` */
async function bindingOf(url: string, { circuit }: StoredCircuit): Promise<SignedBinding> {
  const offered = await offeredCircuit(chainSource(url), circuit.modelId);
  if (!offered || !equal(offered.circuit.circuitId, circuit.circuitId))
    throw new RefusedError("circuit_not_offered", "the service has not this circuit in use for its model");
  return offered.signed;
}

/**
 * How many decimals the model's answers have, by its manifest, whose digest the circuit names.
 * @throws RefusedError `model_not_found`, `circuit_unsupported`
 */
async function decimalsOf(transport: Transport, { circuit }: StoredCircuit): Promise<number> {
  const models = await offeredModels(transport);
  const model = models.find(({ text }) => equal(sha256(utf8(text)), circuit.modelId));
  if (!model) throw new RefusedError("model_not_found", "the service does not offer the circuit's model");
  const { outputKind, outputs } = model.manifest;
  if (outputKind.kind !== "fixedPoint")
    throw new RefusedError("circuit_unsupported", "the model does not answer in fixed-point numbers");
  // The chain compares in order, and sees no names.
  const inOrder = outputs.every(({ name }, i) => name === circuit.outputs[i]?.name);
  if (!inOrder || outputs.length !== circuit.outputs.length)
    throw new RefusedError(
      "circuit_unsupported",
      "the circuit's outputs are in another order than the model's",
    );
  return outputKind.scale;
}

async function requireCode(reader: PublicClient, address: Address, { runtime }: VerifierCode): Promise<void> {
  if ((await reader.getCode({ address })) !== bytesToHex(runtime))
    throw new RefusedError("verifier_mismatch", "what is at --verifier is not the verifier for all circuits");
}

function report(
  json: boolean,
  circuitId: string,
  {
    place,
    steps,
    countsFromSeconds,
    sent,
  }: {
    place: object;
    steps: { name: string; address: Address; gasUsed: bigint }[];
    countsFromSeconds: bigint;
    sent: { gasUsed: bigint; transaction: string; block: bigint };
  },
): void {
  if (json) printJson({ ok: true, code: "ok", circuitId, ...place, steps, countsFromSeconds, ...sent });
  else {
    const rows = steps.map(({ name, address, gasUsed }) => [name, address, `${gasUsed} gas`]);
    const from = new Date(Number(countsFromSeconds) * 1000).toISOString();
    process.stdout.write(`${table([...rows, ["registered", circuitId, `${sent.gasUsed} gas`]])}\n`);
    process.stdout.write(`${paint("green", "✓")} its proofs count from ${from}\n`);
  }
}
