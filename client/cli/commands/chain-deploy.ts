/** `affidavit chain deploy`: the contracts onto a chain. */
import { writeFile } from "node:fs/promises";
import { isHex, type Hex } from "viem";
import { INTEL_SGX_ROOT } from "../../../attestation/index.ts";
import {
  attestedReferenceValue,
  chainSource,
  deployContracts,
  deploymentToJson,
  DEVELOPMENT_CHAINS,
  type Deployment,
} from "../../chain/index.ts";
import {
  READER_FLAGS_HELP,
  readAddress,
  refusing,
  WRITER_FLAGS_HELP,
  writerFlags,
  writerOf,
} from "../chain-connection.ts";
import { flags, printJson, UsageError, type Command } from "../command.ts";
import { table } from "../output.ts";

const DAY_SECONDS = 86_400n;
const UP_TO_DATE = 0b001;
const SW_HARDENING = 0b010;

const HELP = `
affidavit chain deploy --out FILE [flags]

Deploys ReceiptVerifier (registry and verifier in one) with its CheckpointAnchor, and writes their addresses to FILE.

  --out FILE               where the addresses go: every other chain command takes it as --deployment
  --owner ADDRESS          who may change what is trusted (the payer)
  --delay-seconds N        how long a change that widens what is trusted waits: at least ${DAY_SECONDS} (${DAY_SECONDS}; on
                           development chains any, and 0 where left out)
  --reference-value ID     code that is listed from the start, 32 bytes in hex; may be given again
  --trust-code-of URL      lists the code that this service attests now, without looking at it: for development
  --tdx-verifier ADDRESS   a quote verifier that is on the chain already; likewise --automata-verifier
  --sw-hardening           accepts quotes whose platform needs software hardening, beside those up to date
  --tcb-floor N            smallest TCB evaluation data number that is accepted (0)
  --coordinator            also deploys InferenceCoordinator, which takes requests from contracts, and ZkInferenceVerifier, which
                           checks the proofs that they can ask for
  --srs DIGEST             an SRS whose proofs count, by its ceremony: srsDigest of circuit show; may be given again. What is
                           not named here never counts
  --development-srs DIGEST likewise one that was made here, whose maker can forge proofs: chain ids 31337 and 1337 only
  --tdx                    also deploys the verifier of TDX quotes and its registry of Intel's collateral
  --development            also deploys the verifier of simulated TEEs: chain ids 31337 and 1337 only
${WRITER_FLAGS_HELP}${READER_FLAGS_HELP}
`;

export const chainDeploy: Command = { summary: "deploys the contracts", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...writerFlags,
    out: { type: "string" },
    owner: { type: "string" },
    "delay-seconds": { type: "string" },
    "reference-value": { type: "string", multiple: true },
    "trust-code-of": { type: "string" },
    "tdx-verifier": { type: "string" },
    "automata-verifier": { type: "string" },
    "sw-hardening": { type: "boolean" },
    "tcb-floor": { type: "string" },
    coordinator: { type: "boolean" },
    srs: { type: "string", multiple: true },
    "development-srs": { type: "string", multiple: true },
    tdx: { type: "boolean" },
    development: { type: "boolean" },
  });
  const { out } = values;
  if (out === undefined || positionals.length > 0)
    throw new UsageError("chain deploy needs --out FILE alone");
  const referenceValues = (values["reference-value"] ?? []).map((id) => readDigest(id, "--reference-value"));
  const srs = {
    ceremony: (values.srs ?? []).map((digest) => readDigest(digest, "--srs")),
    development: (values["development-srs"] ?? []).map((digest) => readDigest(digest, "--development-srs")),
  };
  if (!values.coordinator && srs.ceremony.length + srs.development.length > 0)
    throw new UsageError("--srs and --development-srs are of --coordinator");
  const quoteVerifiers = readVerifiers(values["tdx-verifier"], values["automata-verifier"]);
  const tcbFloor = readNumber(values["tcb-floor"] ?? "0", "--tcb-floor");
  const writer = await writerOf(values);
  const { deployment, steps } = await refusing(async () => {
    const chainId = await writer.reader.getChainId();
    const usual = DEVELOPMENT_CHAINS.includes(chainId) ? 0n : DAY_SECONDS;
    const trusted = values["trust-code-of"];
    if (trusted !== undefined)
      referenceValues.push(await attestedReferenceValue(chainSource(trusted).attestation));
    return await deployContracts(writer, {
      owner:
        values.owner === undefined ? writer.wallet.account.address : readAddress(values.owner, "--owner"),
      delaySeconds: BigInt(readNumber(values["delay-seconds"] ?? String(usual), "--delay-seconds")),
      referenceValues,
      tcbStatuses: values["sw-hardening"] ? UP_TO_DATE | SW_HARDENING : UP_TO_DATE,
      tcbFloor,
      quoteVerifiers,
      development: values.development ?? false,
      coordinator: values.coordinator ?? false,
      srs,
      ...(values.tdx ? { tdxRoot: INTEL_SGX_ROOT.certificate.der } : {}),
    });
  });
  await save(out, deployment);
  if (values.json)
    printJson({ ok: true, code: "ok", deployment: deploymentToJson(deployment), referenceValues, steps });
  else {
    const rows = steps.map(({ name, address, gasUsed }) => [name, address, `${gasUsed} gas`]);
    process.stdout.write(
      `${table([...rows, ["CheckpointAnchor", deployment.checkpointAnchor, ""]])}\nsaved ${out}\n`,
    );
  }
  return 0;
}

function readDigest(text: string, flag: string): Hex {
  if (!isHex(text) || text.length !== 66) throw new UsageError(`${flag} is not 32 bytes in hex`);
  return text;
}

function readNumber(text: string, flag: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${flag} is not a number of at most nine digits`);
  return Number(text);
}

function readVerifiers(tdx: string | undefined, automata: string | undefined): Deployment["quoteVerifiers"] {
  return {
    ...(tdx === undefined ? {} : { tdx: readAddress(tdx, "--tdx-verifier") }),
    ...(automata === undefined ? {} : { automata: readAddress(automata, "--automata-verifier") }),
  };
}

async function save(path: string, deployment: Deployment): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(deploymentToJson(deployment), null, 2)}\n`);
  } catch (cause) {
    throw new UsageError(`cannot write ${path}: ${(cause as Error).message}`, "file_unreadable");
  }
}
