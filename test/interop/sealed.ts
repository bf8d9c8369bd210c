/** Sealed requests of clients that are not ours: npm's `ehbp`, and the Rust crate `ohttp`. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createTransport, Identity, KeyConfigMismatchError, Transport } from "ehbp";
import type { Target } from "../service-load.ts";
import { rustProgram } from "./cargo.ts";

const PATH = "/v2/models/breast-cancer/infer";
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const body = readFileSync(here("../../models/zoo/breast-cancer/example.json"));

/** @returns what went wrong; undefined where all went well */
export async function ehbpInterop({ url, apiKey }: Target): Promise<string | undefined> {
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const transport = await createTransport(url);
  const answer = await transport.post(url + PATH, body, { headers });
  if (answer.status !== 200) return `an inference was answered ${answer.status}`;
  const { outputs } = (await answer.json()) as { outputs?: unknown[] };
  if (!outputs?.length) return "the answer has no outputs";
  const id = answer.headers.get("affidavit-receipt-id");
  const salt = await transport.post(`${url}/v1/receipts/${id}/salt`, "{}", { headers });
  if (!/^[0-9a-f]{64}$/.test(((await salt.json()) as { salt: string }).salt)) return "the salt is none";
  const refused = await transport.post(url + PATH, "no JSON", { headers });
  if (refused.status !== 400) return `nonsense was answered ${refused.status}`;
  const stranger = new Transport(await Identity.generate(), new URL(url).host);
  try {
    await stranger.post(url + PATH, body, { headers });
    return "a request to another key was answered";
  } catch (error) {
    return error instanceof KeyConfigMismatchError ? undefined : String(error);
  }
}

export function ohttpInterop({ url, apiKey }: Target): "passed" | "failed" | { skipped: string } {
  const program = rustProgram(here("ohttp"), "ohttp-interop");
  if ("missing" in program) return { skipped: program.missing };
  const { status } = spawnSync(program.path, [url, apiKey, PATH], {
    input: body,
    stdio: ["pipe", "inherit", "inherit"],
    timeout: 60_000,
  });
  return status === 0 ? "passed" : "failed";
}
