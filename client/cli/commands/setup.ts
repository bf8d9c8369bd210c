/** `affidavit setup proofs`: installs, in the user's cache, what proving needs and npm does not bring. */
import { cacheDirectory, setUpProofSystem } from "../../../proofs/index.ts";
import { refusing } from "../circuits.ts";
import { flags, printJson, UsageError, type Command } from "../command.ts";
import { paint } from "../output.ts";

const HELP = `
affidavit setup proofs [flags]

Installs EZKL 21.0.0 from PyPI, pinned by hash, into a Python environment in the user's cache ($XDG_CACHE_HOME/affidavit, else
~/.cache/affidavit). Does nothing where it is there. The package ships no licence: read the README's note before you use it.

  --python PROGRAM   Python 3.9 or later, with venv (python3, else python)
  --json             one line for machines
`;

export const setupProofs: Command = { summary: "installs what making proofs needs", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { python: { type: "string" }, json: { type: "boolean" } });
  if (positionals.length > 0) throw new UsageError(`unexpected ${JSON.stringify(positionals[0])}`);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());
  const python = await refusing(() =>
    setUpProofSystem(cacheDirectory(process.env), {
      python: values.python,
      onProgress: (step) => process.stderr.write(`setup proofs: ${step}\n`),
      signal: stop.signal,
    }),
  );
  if (values.json) printJson({ ok: true, code: "ok", python });
  else process.stdout.write(`${paint("green", "✓ ready")}  ${python}\n`);
  return 0;
}
