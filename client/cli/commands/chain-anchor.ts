/** `affidavit chain anchor`: a log's newest head onto a chain. */
import { anchorCheckpoint, chainSource } from "../../chain/index.ts";
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

const HELP = `
affidavit chain anchor --deployment FILE [flags]

Anchors the newest head of the service's log, with the proof that it extends the head that the chain has. Anyone may.
Receipts in an anchored head keep their worth after their keyset has ended or was revoked.

  --url URL            the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
${DEPLOYMENT_FLAG_HELP}${WRITER_FLAGS_HELP}${READER_FLAGS_HELP}
`;

export const chainAnchor: Command = { summary: "anchors a log's newest head", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { ...writerFlags, url: { type: "string" } });
  if (positionals.length > 0) throw new UsageError("chain anchor takes flags alone");
  const writer = await writerOf(values);
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  const { anchored, sent } = await refusing(async () => {
    const deployment = await deploymentFrom(values.deployment, writer.reader);
    return await anchorCheckpoint(writer, deployment, chainSource(url));
  });
  if (values.json) printJson({ ok: true, code: "ok", anchored, ...sent });
  else {
    const { previousSize, size, root } = anchored;
    const from = previousSize === 0n ? "the first" : `extends size ${previousSize}`;
    process.stdout.write(`anchored size ${size} (${from})\nroot ${root}\ngas ${sent.gasUsed}\n`);
  }
  return 0;
}
