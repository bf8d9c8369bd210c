/** `affidavit prove RECEIPT`: a ZK proof of an answer, for whoever holds its private part. */
import { parseBundle, parsePrivatePart } from "../../../receipts/index.ts";
import { receiptIdOf } from "../../audit/disclosure.ts";
import { Transport } from "../../transport.ts";
import { createClient } from "../../client.ts";
import { flags, onlyPositional, printJson, readInput, UsageError, type Command } from "../command.ts";
import { apiKeyFor, DEFAULT_URL } from "../credentials.ts";
import { paint } from "../output.ts";
import { policyFlags, POLICY_FLAGS_HELP, policyFrom } from "../policy-flags.ts";
import { awaitPromise, fetchProofBundle } from "../promise-progress.ts";
import { readingFiles } from "../reading.ts";
import { replaceFile } from "../replace-file.ts";

const MAX_RECEIPT_BYTES = 16 * 1024 * 1024;
const MAX_PRIVATE_BYTES = 256 * 1024 * 1024;

const HELP = `
affidavit prove RECEIPT [flags]

Asks the service for a ZK proof of an answer that promised none, waits for it, and writes the proof bundle, which
\`affidavit verify\` checks offline. RECEIPT.private must lie beside RECEIPT: the service, which kept neither, gets the
request and the salt once more, and its vault checks that they open the receipt's input.

  --out FILE           where the bundle goes (RECEIPT.proof)
  --no-wait            shows the proof's id and ends: GET /v1/proofs/ID tells how it goes
  --clear              does not seal the request
  --url URL            the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
  --key KEY            the API key (AFFIDAVIT_API_KEY, else the file that npm start wrote)
${POLICY_FLAGS_HELP}
  --json               one line for machines
`;

export const prove: Command = { summary: "asks for a ZK proof of an answer", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    out: { type: "string" },
    "no-wait": { type: "boolean" },
    clear: { type: "boolean" },
    url: { type: "string" },
    key: { type: "string" },
    json: { type: "boolean" },
    ...policyFlags,
  });
  const file = onlyPositional(positionals, "receipt");
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  if (!URL.canParse(url)) throw new UsageError("--url takes an address such as https://inference.example");
  const receiptText = await readText(file, MAX_RECEIPT_BYTES);
  const receipt = readingFiles(() => parseBundle(receiptText));
  const privateText = await readText(`${file}.private`, MAX_PRIVATE_BYTES);
  const privatePart = readingFiles(() => parsePrivatePart(privateText));
  const apiKey = await apiKeyFor(url, values.key);
  const client = createClient({
    url,
    apiKey,
    policy: await policyFrom(values),
    seal: values.clear !== true,
  });
  const receiptId = receiptIdOf(receipt);
  const id = await client.prove(receiptId, privatePart);
  if (values["no-wait"]) {
    if (values.json) printJson({ ok: true, code: "ok", receiptId, proofId: id });
    else process.stdout.write(`asked for: proof ${id}\n`);
    return 0;
  }
  const transport = new Transport({ url, apiKey });
  const { difference } = await awaitPromise(transport, { kind: "proof", id });
  const out = values.out ?? `${file}.proof`;
  await replaceFile(out, await fetchProofBundle(transport, id), 0o644);
  if (values.json) printJson({ ok: true, code: "ok", receiptId, proofId: id, difference, file: out });
  else
    process.stdout.write(
      `${paint("green", "✓ proof delivered")}  ${out}\nCheck it: affidavit verify ${out} --private ${file}.private\n`,
    );
  return 0;
}

async function readText(path: string, maxBytes: number): Promise<string> {
  return new TextDecoder().decode(await readInput(path, maxBytes));
}
