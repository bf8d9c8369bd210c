/** `affidavit chain register`: a service's keyset into the registry, by a quote over the chain's own nonce. */
import { chainSource, DEFAULT_MASK, registerKeyset } from "../../chain/index.ts";
import {
  DEPLOYMENT_FLAG_HELP,
  deploymentFrom,
  READER_FLAGS_HELP,
  refusing,
  WRITER_FLAGS_HELP,
  writerFlags,
  writerOf,
} from "../chain-connection.ts";
import { flags, printJson, UsageError, type Command } from "../command.ts";
import { DEFAULT_URL } from "../credentials.ts";
import { paint } from "../output.ts";

const HELP = `
affidavit chain register --deployment FILE [flags]

Asks the service for evidence over a nonce of the chain, and registers its keyset by it. The contract verifies the
quote: whoever pays vouches for nothing. A keyset ends, so do this again after each renewal.

  --url URL            the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
  --mask HEX           which registers identify the code, bit i for register i (0x${DEFAULT_MASK.toString(16)}: MRTD and RTMR0 to RTMR2)
${DEPLOYMENT_FLAG_HELP}${WRITER_FLAGS_HELP}${READER_FLAGS_HELP}
`;

export const chainRegister: Command = { summary: "registers a service's keyset by a quote", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...writerFlags,
    url: { type: "string" },
    mask: { type: "string" },
  });
  if (positionals.length > 0) throw new UsageError("chain register takes flags alone");
  const mask = readMask(values.mask);
  const writer = await writerOf(values);
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  const { registration, sent, posted } = await refusing(async () => {
    const deployment = await deploymentFrom(values.deployment, writer.reader);
    return await registerKeyset(writer, deployment, chainSource(url).attestation, mask);
  });
  if (values.json) printJson({ ok: true, code: "ok", registration, ...sent, collateral: posted });
  else {
    const { keysetDigest, signer, referenceValueId, expiresAtSeconds, listed, technology } = registration;
    const lines = [
      `keyset           ${keysetDigest}`,
      `signer           ${signer}`,
      `reference value  ${referenceValueId}${listed ? "" : paint("yellow", "  not listed: only consumers that pin it accept it")}`,
      `until            ${new Date(Number(expiresAtSeconds) * 1000).toISOString()}`,
      `gas              ${sent.gasUsed}`,
      ...posted.map(({ brings, gasUsed }) => `  collateral     ${brings}: ${gasUsed} gas`),
      ...(technology === "development" ? [paint("yellow", "simulated TEE: this proves nothing")] : []),
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
  }
  return 0;
}

function readMask(text: string | undefined): bigint {
  if (text === undefined) return DEFAULT_MASK;
  if (!/^0x[0-9a-f]{1,4}$/.test(text)) throw new UsageError("--mask is 0x and up to four hex digits");
  return BigInt(text);
}
