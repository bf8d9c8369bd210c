/** `affidavit chain adapters`: contracts that speak others' standards over a deployment. */
import { deployAdapters } from "../../chain/index.ts";
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
import { flags, printJson, UsageError, type Command } from "../command.ts";
import { table } from "../output.ts";

const HELP = `
affidavit chain adapters --deployment FILE [flags]

Deploys the contracts by which others use the deployment's verifiers, and shows their addresses: ERC-7992 (ZkmlRegistry,
ZkmlVerifier), ERC-8274 (ReceiptProofVerifier, ZkProofVerifier) and, with one of the first two flags, ERC-8004's validation
(InferenceValidator). Nobody owns them; the deployment's coordinator and its verifiers know nothing of them.

  --identity-registry ADDRESS    agents are those of this ERC-8004 registry: a ValidationRegistry is made for it
  --validation-registry ADDRESS  instead: the validation registry that is there
${DEPLOYMENT_FLAG_HELP}${WRITER_FLAGS_HELP}${READER_FLAGS_HELP}
`;

export const chainAdapters: Command = {
  summary: "deploys contracts for ERC-7992, ERC-8274 and ERC-8004",
  help: HELP,
  run,
};

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...writerFlags,
    "identity-registry": { type: "string" },
    "validation-registry": { type: "string" },
  });
  if (positionals.length > 0) throw new UsageError("chain adapters takes flags alone");
  const agents = placeOf(values["identity-registry"], values["validation-registry"]);
  const writer = await writerOf(values);
  const { adapters, steps } = await refusing(async () => {
    const deployment = await deploymentFrom(values.deployment, writer.reader);
    return await deployAdapters(writer, deployment, agents);
  });
  if (values.json) printJson({ ok: true, code: "ok", adapters, steps });
  else {
    const rows = steps.map(({ name, address, gasUsed }) => [name, address, `${gasUsed} gas`]);
    process.stdout.write(`${table(rows)}\n`);
  }
  return 0;
}

function placeOf(identity: string | undefined, validation: string | undefined) {
  if (identity !== undefined && validation !== undefined)
    throw new UsageError("give either --identity-registry or --validation-registry");
  if (identity !== undefined) return { identityRegistry: readAddress(identity, "--identity-registry") };
  if (validation !== undefined)
    return { validationRegistry: readAddress(validation, "--validation-registry") };
  return undefined;
}
