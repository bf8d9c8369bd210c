/** `affidavit chain open`: tells a service the input that a request commits to, where chain request could not. */
import { bytesToHex } from "viem";
import { parseOpening } from "../../chain/index.ts";
import { createClient } from "../../client.ts";
import { refusing } from "../chain-connection.ts";
import { postOpening } from "../chain-private.ts";
import { flags, onlyPositional, printJson, readInput, type Command } from "../command.ts";
import { DEFAULT_URL } from "../credentials.ts";
import { policyFlags, POLICY_FLAGS_HELP, policyFrom } from "../policy-flags.ts";

const MAX_FILE_BYTES = 512 * 1024;

const HELP = `
affidavit chain open FILE [flags]

Tells the service the input that a request commits to: FILE is what chain request --private wrote. The opening leaves sealed, once
the service's evidence holds. Again does no harm.

  --url URL            the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
${POLICY_FLAGS_HELP}
  --json               one line for machines
`;

export const chainOpen: Command = { summary: "opens a private request to its service", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...policyFlags,
    url: { type: "string" },
    json: { type: "boolean" },
  });
  const file = onlyPositional(positionals, "file");
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  const client = createClient({ url, policy: await policyFrom(values) });
  const opening = await refusing(async () => parseOpening(await readInput(file, MAX_FILE_BYTES)));
  const asked = await postOpening(client, opening, file);
  const requestId = bytesToHex(opening.requestId);
  if (values.json) printJson({ ok: true, code: "ok", requestId, asked });
  else process.stdout.write(`opened ${requestId}${asked ? "" : ", which is not on the chain yet"}\n`);
  return 0;
}
