/** `npm run setup:proofs`: what `affidavit` needs to make proofs, in the user's cache. */
import { ProofError } from "../error.ts";
import { cacheDirectory, setUpProofSystem } from "./environment.ts";

const say = (text: string): void => void process.stderr.write(`setup:proofs: ${text}\n`);
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());
try {
  const python = process.env["PYTHON"] || undefined;
  await setUpProofSystem(cacheDirectory(process.env), { python, onProgress: say, signal: stop.signal });
  say("ready");
} catch (error) {
  if (!(error instanceof ProofError)) throw error;
  say(`${error.message} [${error.code}]`);
  process.exitCode = 1;
}
