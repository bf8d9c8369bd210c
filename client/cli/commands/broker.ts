/** `affidavit broker init | allow | revoke | serve`: an owner's key broker for sealed models. */
import program from "../../../package.json" with { type: "json" };
import { parsePolicy, AttestationError, type AppraisalPolicyInput } from "../../../attestation/index.ts";
import { fromHex, toHex } from "../../../codec/index.ts";
import {
  Broker,
  BrokerError,
  createBrokerState,
  openBrokerKeys,
  readReleasePolicy,
  resultKeyPem,
  revokeModel,
  startBroker,
  writeReleasePolicy,
} from "../../broker/index.ts";
import { flags, printJson, UsageError, type Command } from "../command.ts";
import { readJson } from "../json-file.ts";
import { paint } from "../output.ts";

const MAX_POLICY_BYTES = 1024 * 1024;

const INIT_HELP = `
affidavit broker init --state DIR [flags]

Makes a broker's folder and its keys, and prints the key that weights are sealed to. Back the folder up: without broker.key
nothing that was sealed to it opens again.

  --state DIR   the folder; must hold no broker yet
  --json        one line for machines
`;

const ALLOW_HELP = `
affidavit broker allow --state DIR --model ID --policy FILE [flags]

Lets the broker release a model's key to vaults whose evidence meets an appraisal policy (docs/spec/appraisal.md), from the next
release on. Replaces the model's policy.

  --state DIR     the broker's folder
  --model ID      model id, 64 hex digits
  --policy FILE   appraisal policy, JSON; it should name the measurements of the images that you trust
  --json          one line for machines
`;

const REVOKE_HELP = `
affidavit broker revoke --state DIR --model ID [flags]

Stops the next release of a model's key. Weights that a service holds in memory already are out of a broker's reach.

  --state DIR   the broker's folder
  --model ID    model id, 64 hex digits
  --json        one line for machines
`;

const SERVE_HELP = `
affidavit broker serve --state DIR [flags]

Releases content keys by the folder's policies and prints a line for each decision.

  --state DIR      the broker's folder (affidavit broker init)
  --host ADDRESS   address to listen on (127.0.0.1); put TLS before any other
  --port PORT      port to listen on (8082); 0 takes a free one
  --json           lines of JSON: one for the start, then one for each decision

Stops at SIGINT or SIGTERM. Exits 2 where its folder cannot be used.
`;

export const brokerInit: Command = { summary: "makes a key broker's folder", help: INIT_HELP, run: init };
export const brokerAllow: Command = { summary: "sets who gets a model's key", help: ALLOW_HELP, run: allow };
export const brokerRevoke: Command = {
  summary: "stops releases of a model's key",
  help: REVOKE_HELP,
  run: revoke,
};
export const brokerServe: Command = { summary: "runs a key broker", help: SERVE_HELP, run: serve };

const STRINGS = { state: { type: "string" }, json: { type: "boolean" } } as const;

async function init(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, STRINGS);
  const state = stateFrom(values.state, positionals);
  const { publicKey, resultKey } = await refusing(() => createBrokerState(state));
  const key = toHex(publicKey);
  if (values.json) printJson({ ok: true, code: "ok", publicKey: key, resultKey: resultKeyPem(resultKey) });
  else process.stdout.write(`${paint("green", "✓ made")}  ${state}\nSeal weights to: ${key}\n`);
  return 0;
}

async function allow(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...STRINGS,
    model: { type: "string" },
    policy: { type: "string" },
  });
  const state = stateFrom(values.state, positionals);
  const modelId = modelFrom(values.model);
  if (values.policy === undefined) throw new UsageError("give the appraisal --policy");
  const policy = await readJson(values.policy, MAX_POLICY_BYTES);
  try {
    parsePolicy(policy);
  } catch (error) {
    if (error instanceof AttestationError)
      throw new UsageError(`${values.policy}: ${error.message}`, "file_unreadable");
    throw error;
  }
  await refusing(async () => {
    await openBrokerKeys(state);
    await writeReleasePolicy(state, modelId, policy as AppraisalPolicyInput);
  });
  return done(values.json, "allowed", modelId);
}

async function revoke(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { ...STRINGS, model: { type: "string" } });
  const state = stateFrom(values.state, positionals);
  const modelId = modelFrom(values.model);
  await refusing(() => revokeModel(state, modelId));
  return done(values.json, "revoked", modelId);
}

function done(json: boolean | undefined, what: string, modelId: Uint8Array): number {
  const model = toHex(modelId);
  if (json) printJson({ ok: true, code: "ok", modelId: model });
  else process.stdout.write(`${paint("green", `✓ ${what}`)}  ${model}\n`);
  return 0;
}

async function serve(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...STRINGS,
    host: { type: "string" },
    port: { type: "string" },
  });
  const state = stateFrom(values.state, positionals);
  const json = values.json ?? false;
  const keys = await refusing(() => openBrokerKeys(state));
  const broker = new Broker({
    ...keys,
    policyFor: (modelId) => readReleasePolicy(state, modelId),
    nowMs: Date.now,
    version: program.version,
    onDecision({ released, ...decision }) {
      if (json) printJson({ ok: released, ...decision });
      else {
        const { code, message, modelId, keysetDigest, atMs } = decision;
        const verdict = released ? paint("green", "released") : `${paint("red", "refused")} ${code}`;
        const when = new Date(atMs).toISOString();
        process.stdout.write(
          `${when}  ${verdict}  model ${modelId}  keyset ${keysetDigest ?? "none"}  ${message}\n`,
        );
      }
    },
  });
  const running = await refusing(() =>
    startBroker({
      broker,
      host: values.host ?? "127.0.0.1",
      port: portFrom(values.port),
      onFault: (error) =>
        process.stderr.write(`fault: ${error instanceof Error ? error.message : "unknown"}\n`),
    }),
  );
  const publicKey = toHex(keys.publicKey);
  if (json) printJson({ ok: true, url: running.url, publicKey });
  else process.stdout.write(`Listening on ${running.url}\nSeal weights to: ${publicKey}\n`);
  await new Promise<void>((stop) => {
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
  });
  await running.close();
  return 0;
}

function stateFrom(state: string | undefined, positionals: string[]): string {
  if (positionals.length > 0) throw new UsageError(`unexpected ${JSON.stringify(positionals[0])}`);
  if (state === undefined) throw new UsageError("give the broker's folder: --state");
  return state;
}

function modelFrom(text: string | undefined): Uint8Array {
  const digits = text?.replace(/^0x/, "");
  if (digits === undefined || !/^[0-9a-f]{64}$/.test(digits))
    throw new UsageError("--model takes a model id: 64 hex digits");
  return fromHex(digits);
}

function portFrom(given = "8082"): number {
  if (!/^[0-9]{1,5}$/.test(given) || Number(given) > 65_535) throw new UsageError("--port takes 0 to 65535");
  return Number(given);
}

async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BrokerError)
      throw new UsageError(`${error.message} [${error.code}]`, "file_unreadable");
    throw error;
  }
}
