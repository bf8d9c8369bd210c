/** The log of a running service, read by implementations that are not ours. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { formatVerifierKey, NOTE_TYPE_ED25519, parseAttestation, parseKeyset } from "../../receipts/index.ts";
import { infer, receiptIdOf, smallCall, type Target } from "../service-load.ts";
import { rustProgram } from "./cargo.ts";

/** More than a full tile. */
const INFERENCES = 300;
const AT_ONCE = 8;
const PROOFS = 12;

async function text(target: Target, path: string, accept = "*/*"): Promise<string> {
  const headers = { accept, authorization: `Bearer ${target.apiKey}` };
  const response = await fetch(target.url + path, { headers });
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}`);
  return await response.text();
}

async function fill(target: Target): Promise<string[]> {
  const ids: string[] = [];
  let left = INFERENCES;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) {
        const answer = await infer(target, smallCall("breast-cancer"));
        if (answer.status !== 200) throw new Error(`an inference was answered ${answer.status}`);
        ids.push(receiptIdOf(answer));
      }
    }),
  );
  return ids;
}

/** @returns whether all was verified, or why it could not be tried */
export async function logInterop(target: Target): Promise<"passed" | "failed" | { skipped: string }> {
  const program = rustProgram(fileURLToPath(new URL("log", import.meta.url)), "log-interop");
  if ("missing" in program) return { skipped: program.missing };
  const { log } = parseKeyset(parseAttestation(await text(target, "/v1/attestation")).keyset);
  const key = formatVerifierKey(NOTE_TYPE_ED25519, { name: log.origin, publicKey: log.publicKey });
  const earlier = await text(target, "/log/checkpoint");
  const ids = await fill(target);
  const proofs = await Promise.all(
    ids
      .filter((_, i) => i % Math.floor(INFERENCES / PROOFS) === 0)
      .map((id) => text(target, `/v1/receipts/${id}/inclusion?wait=inclusion`, "text/plain")),
  );
  const input = [earlier, ...proofs].map((note) => `${note}.\n`).join("");
  const { status } = spawnSync(program.path, [target.url, key], {
    input,
    stdio: ["pipe", "inherit", "inherit"],
    timeout: 120_000,
  });
  return status === 0 ? "passed" : "failed";
}
