/** The service's settings. The only file of the service that reads the environment. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { availableParallelism } from "node:os";
import { z } from "zod";
import type { EngineDevice, ExecutionProvider } from "../models/index.ts";
import { devicesFor, engineDevices, executionProviders } from "./engine-setting.ts";
import { ADMIN_SETTINGS } from "./admin-settings.ts";
import { ASSURANCE_SETTINGS } from "./assurance-settings.ts";
import { BALANCES_SETTINGS } from "./balances-settings.ts";
import { CHAIN_SETTINGS } from "./chain-settings.ts";
import { JOIN_SETTINGS } from "./join-settings.ts";
import { SEALING_SETTINGS } from "./sealing-settings.ts";
import {
  directory,
  HOUR_MS,
  integer,
  MINUTE_MS,
  publicUrl,
  setting,
  type Environment,
  type Setting,
} from "./setting.ts";
import { MODEL_SETTINGS } from "./model-settings.ts";
import { witnesses, type WitnessSetting } from "./witness-setting.ts";

export type ConfigErrorCode = "setting_unknown" | "setting_invalid" | "cluster_keys_unavailable";

/** A setting that cannot be used. Messages name settings and what is wanted, never the value that was given. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code: ConfigErrorCode;
  readonly settings: string[];
  constructor(code: ConfigErrorCode, settings: string[], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.settings = settings;
  }
}

const flag = z.enum(["true", "false"], "true or false").transform((text) => text === "true");
const attestation = z
  .string()
  .max(512)
  .regex(/^[a-z-]{1,32}(:\/[^,]{1,99})?(,[a-z-]{1,32}(:\/[^,]{1,99})?){0,7}$/, "names, separated by commas");
const origin = z.string().regex(/^[^\s+]{1,255}$/, "a name without spaces or plus signs");
const databaseUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\//, "a URL that starts with postgres:// or postgresql://")
  .max(2048);
/** The user's configuration folder: `$XDG_CONFIG_HOME/affidavit` (a relative value is ignored, as its specification asks). */
function userConfigDirectory(environment: Environment): string {
  const base = environment["XDG_CONFIG_HOME"];
  return join(base && isAbsolute(base) ? base : join(homedir(), ".config"), "affidavit");
}

const MIB = 1024 * 1024;
/** A request id must still be good when its answer is signed: see the session's tickets. */
const LONGEST_REQUEST_MS = 5 * MINUTE_MS;

const SETTINGS = {
  host: setting({
    env: "HOST",
    schema: z.string().min(1).max(255),
    fallback: "127.0.0.1",
    meaning: "Address to listen on. The default serves this machine alone.",
  }),
  port: setting({
    env: "PORT",
    schema: integer(0, 65535),
    fallback: "8080",
    meaning: "Port to listen on; 0 takes a free one.",
  }),
  tlsPort: setting({
    env: "AFFIDAVIT_TLS_PORT",
    schema: integer(0, 65535).optional() as z.ZodType<number | undefined, string>,
    meaning:
      "Port of a second listener, over TLS, whose certificate carries the evidence (RA-TLS); 0 takes a free one. Unset: none.",
  }),
  publicUrl: setting({
    env: "AFFIDAVIT_PUBLIC_URL",
    schema: publicUrl.optional() as z.ZodType<string | undefined, string>,
    meaning: "URL under which callers reach the service, where it differs from the address listened on.",
  }),
  logLevel: setting({
    env: "AFFIDAVIT_LOG_LEVEL",
    schema: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]),
    fallback: "info",
    meaning: "Least severe log line that is written: fatal, error, warn, info, debug, trace or silent.",
  }),
  dataDirectory: setting({
    env: "AFFIDAVIT_DATA_DIR",
    schema: directory,
    fallback: "./.data",
    meaning: "Where the embedded database and other state live. One service at a time.",
  }),
  configDirectory: setting({
    env: "AFFIDAVIT_CONFIG_DIR",
    schema: directory,
    fallback: userConfigDirectory,
    shown: "$XDG_CONFIG_HOME/affidavit, else ~/.config/affidavit",
    meaning: "Where the first API key is written (mode 0600) for the command line to read.",
  }),
  vaultDirectory: setting({
    env: "AFFIDAVIT_VAULT_DIR",
    schema: directory,
    fallback: (environment) => join(userConfigDirectory(environment), "vault"),
    shown: "the configuration folder's vault",
    meaning:
      "Where the vault keeps its cluster key file under the simulated TEE. Never inside the data directory.",
  }),
  ...MODEL_SETTINGS,
  databaseUrl: setting({
    env: "DATABASE_URL",
    schema: databaseUrl.optional() as z.ZodType<string | undefined, string>,
    meaning: "A PostgreSQL server (15 or newer). Unset: an embedded PostgreSQL in the data directory.",
  }),
  databaseConnections: setting({
    env: "AFFIDAVIT_DATABASE_CONNECTIONS",
    schema: integer(2, 200),
    fallback: "10",
    meaning: "Most connections in the pool. The log's appender holds one more.",
  }),
  postgresDirectory: setting({
    env: "AFFIDAVIT_POSTGRES_DIR",
    schema: directory,
    fallback: "/var/lib/affidavit",
    meaning:
      "Started as root below a private folder only: where the embedded server's files go, so that its own user reaches them.",
  }),
  attestation: setting({
    env: "AFFIDAVIT_ATTESTATION",
    schema: attestation,
    fallback: "auto",
    meaning:
      "auto (the TEE found on this machine, else the simulated one on a loopback address), simulated, tdx, sev-snp, or interfaces in order, separated by commas: configfs-tsm, sev-guest, dstack, nitro, each perhaps with its path behind a colon.",
  }),
  gpuAttestation: setting({
    env: "AFFIDAVIT_GPU_ATTESTATION",
    schema: z.string().regex(/^(auto|none|simulated|nvml(:\/[^,]{1,99})?)$/, "auto, none, nvml or simulated"),
    fallback: "auto",
    meaning:
      "Whose evidence goes with the TEE's: auto (NVIDIA GPUs in confidential mode, where there are some), nvml (must work; a library's path behind a colon), simulated, none.",
  }),
  measurementRegister: setting({
    env: "AFFIDAVIT_MEASUREMENT_REGISTER",
    schema: z.string().regex(/^(auto|none|\/.{1,255})$/, "auto, none or an absolute path"),
    fallback: "auto",
    meaning:
      "What models are measured into before they serve: auto (TDX's RTMR3, where the kernel lets software extend it), none, or the path of its file, which then must work.",
  }),
  pcsKey: setting({
    env: "AFFIDAVIT_PCS_KEY",
    schema: z
      .string()
      .regex(/^[A-Za-z0-9]{16,128}$/, "letters and digits")
      .optional() as z.ZodType<string | undefined, string>,
    meaning:
      "Key of a subscription to Intel's provisioning certification service, which wants one where a quote does not bring its PCK certificate.",
  }),
  pccsUrl: setting({
    env: "AFFIDAVIT_PCCS_URL",
    schema: publicUrl.optional() as z.ZodType<string | undefined, string>,
    meaning: "A PCCS to ask for TDX collateral. Unset: Intel's own service.",
  }),
  adminKeyDigest: setting({
    env: "AFFIDAVIT_ADMIN_KEY_SHA256",
    schema: z
      .string()
      .regex(/^[0-9a-f]{64}$/, "64 lower-case hex digits")
      .optional() as z.ZodType<string | undefined, string>,
    meaning:
      "SHA-256 of an API key of your own making, 256 random bits as text: it may do everything. The default service leaves one in the configuration folder by itself; one in a TEE, or for other machines, does not.",
  }),
  subject: setting({
    env: "AFFIDAVIT_SUBJECT",
    schema: origin,
    fallback: "affidavit",
    meaning: "Name of this workload in its keyset.",
  }),
  logOrigin: setting({
    env: "AFFIDAVIT_LOG_ORIGIN",
    schema: origin,
    fallback: "localhost/affidavit",
    meaning: "Origin line of the log's checkpoints. Never change it while the log lives.",
  }),
  acceptNewLogKey: setting({
    env: "AFFIDAVIT_ACCEPT_NEW_LOG_KEY",
    schema: flag,
    fallback: "false",
    meaning:
      "Whether a vault with other keys may go on with a database whose log another key signed. For one start, after the vault's folder was lost for good.",
  }),
  keysetLifetimeMs: setting({
    env: "AFFIDAVIT_KEYSET_LIFETIME_MS",
    schema: integer(MINUTE_MS, 30 * 24 * HOUR_MS),
    fallback: String(24 * HOUR_MS),
    meaning: "How long a keyset is valid. A new one is attested and logged before the old one ends.",
  }),
  checkpointIntervalMs: setting({
    env: "AFFIDAVIT_CHECKPOINT_INTERVAL_MS",
    schema: integer(100, HOUR_MS),
    fallback: "1000",
    meaning: "Least time between two checkpoints of a growing log.",
  }),
  witnesses: setting({
    env: "AFFIDAVIT_WITNESSES",
    schema: witnesses.optional() as z.ZodType<WitnessSetting[] | undefined, string>,
    meaning:
      "Log witnesses to ask for cosignatures: each a verifier key, a space and a URL (c2sp.org/tlog-witness), separated by commas. Unset: none, and that everyone sees one log is the operator's word.",
  }),
  witnessTimeoutMs: setting({
    env: "AFFIDAVIT_WITNESS_TIMEOUT_MS",
    schema: integer(10, 10_000),
    fallback: "500",
    meaning:
      "How long a new checkpoint waits for cosignatures before it is published. One that did not answer is asked without waiting until it answers again.",
  }),
  maxBodyBytes: setting({
    env: "AFFIDAVIT_MAX_BODY_BYTES",
    schema: integer(1024, 1024 * MIB),
    fallback: String(32 * MIB),
    meaning: "Largest request body, before and after decompression.",
  }),
  requestTimeoutMs: setting({
    env: "AFFIDAVIT_REQUEST_TIMEOUT_MS",
    schema: integer(100, LONGEST_REQUEST_MS),
    fallback: "60000",
    meaning: "Longest time for a whole request, from its first byte to the answer.",
  }),
  headersTimeoutMs: setting({
    env: "AFFIDAVIT_HEADERS_TIMEOUT_MS",
    schema: integer(100, HOUR_MS),
    fallback: "10000",
    meaning: "Longest time for a request's headers to arrive.",
  }),
  keepAliveTimeoutMs: setting({
    env: "AFFIDAVIT_KEEP_ALIVE_TIMEOUT_MS",
    schema: integer(100, HOUR_MS),
    fallback: "65000",
    meaning: "How long an idle connection is kept.",
  }),
  shutdownTimeoutMs: setting({
    env: "AFFIDAVIT_SHUTDOWN_TIMEOUT_MS",
    schema: integer(100, HOUR_MS),
    fallback: "30000",
    meaning: "How long running requests may take to finish at shutdown.",
  }),
  maxConcurrentRequests: setting({
    env: "AFFIDAVIT_MAX_CONCURRENT_REQUESTS",
    schema: integer(1, 100_000),
    fallback: "1024",
    meaning: "Requests served at once; more are told to come back (503).",
  }),
  engineHosts: setting({
    env: "AFFIDAVIT_ENGINE_HOSTS",
    schema: integer(1, 256),
    fallback: () => String(Math.min(8, Math.max(1, availableParallelism() - 1))),
    shown: "processors less one, from 1 to 8",
    meaning: "Engine processes that run models.",
  }),
  engineQueue: setting({
    env: "AFFIDAVIT_ENGINE_QUEUE",
    schema: integer(1, 100_000),
    fallback: "1024",
    meaning: "Inferences that may wait for an engine; more are refused (429).",
  }),
  engineQueueBytes: setting({
    env: "AFFIDAVIT_ENGINE_QUEUE_BYTES",
    schema: integer(MIB, 65_536 * MIB),
    fallback: String(256 * MIB),
    meaning: "Bytes of tensors that may wait for an engine.",
  }),
  inferenceTimeoutMs: setting({
    env: "AFFIDAVIT_INFERENCE_TIMEOUT_MS",
    schema: integer(10, LONGEST_REQUEST_MS),
    fallback: "30000",
    meaning: "Longest run of a model; after it the engine process is killed and replaced.",
  }),
  executionProviders: setting({
    env: "AFFIDAVIT_EXECUTION_PROVIDERS",
    schema: executionProviders,
    fallback: "cpu",
    meaning:
      "ONNX Runtime execution providers in order of preference, separated by commas; each after the first is a fallback that you chose. See docs/operate/gpu.md.",
  }),
  engineDevices: setting({
    env: "AFFIDAVIT_ENGINE_DEVICES",
    schema: engineDevices.optional() as z.ZodType<EngineDevice[] | undefined, string>,
    meaning:
      "Devices that get an engine process each: cuda:INDEX, cuda:GPU-UUID, cuda:MIG-UUID or vulkan:/path/of/icd.json, separated by commas. Unset: one, where a provider other than the CPU is configured.",
  }),
  engineModelBytes: setting({
    env: "AFFIDAVIT_ENGINE_MODEL_BYTES",
    schema: integer(MIB, 1_048_576 * MIB),
    fallback: String(2048 * MIB),
    meaning:
      "Bytes of weights that one engine process, and so one device, holds at a time; the least recently used model leaves first.",
  }),
  engineHostBytes: setting({
    env: "AFFIDAVIT_ENGINE_HOST_BYTES",
    schema: integer(64 * MIB, 1_048_576 * MIB),
    fallback: String(4096 * MIB),
    meaning:
      "Resident memory at which an engine process is killed and replaced (Linux). CUDA alone maps some 2 GiB.",
  }),
  appendQueue: setting({
    env: "AFFIDAVIT_APPEND_QUEUE",
    schema: integer(1, 100_000),
    fallback: "4096",
    meaning: "Statements that may wait for the database; more are refused (503).",
  }),
  appendTimeoutMs: setting({
    env: "AFFIDAVIT_APPEND_TIMEOUT_MS",
    schema: integer(100, 10 * MINUTE_MS),
    fallback: "10000",
    meaning: "How long a statement waits for a database that is away before its request fails.",
  }),
  otherForms: setting({
    env: "AFFIDAVIT_OTHER_FORMS",
    schema: flag,
    fallback: "true",
    meaning:
      "Whether each answer is also signed as AIR, ACI and dstack receipts, for its owner. Costs the vault two more signatures an answer.",
  }),
  serverTiming: setting({
    env: "AFFIDAVIT_SERVER_TIMING",
    schema: flag,
    fallback: "false",
    meaning:
      "Whether answers say in a Server-Timing header how long they waited for the log's commit. For benches.",
  }),
  idempotencyTtlMs: setting({
    env: "AFFIDAVIT_IDEMPOTENCY_TTL_MS",
    schema: integer(MINUTE_MS, 30 * 24 * HOUR_MS),
    fallback: String(24 * HOUR_MS),
    meaning: "How long an answer can be replayed by its Idempotency-Key.",
  }),
  ...ADMIN_SETTINGS,
  ...ASSURANCE_SETTINGS,
  ...BALANCES_SETTINGS,
  ...CHAIN_SETTINGS,
  ...SEALING_SETTINGS,
  ...JOIN_SETTINGS,
} satisfies Record<string, Setting<unknown>>;

/** Names with the service's prefix that other parts read: not the service's settings, and no mistake either. */
const OTHER_NAMES = [
  "AFFIDAVIT_ADMIN_KEY_FILE",
  "AFFIDAVIT_API_KEY",
  "AFFIDAVIT_REQUIRE",
  "AFFIDAVIT_RPC_URL",
  "AFFIDAVIT_URL",
  "AFFIDAVIT_VECTORS",
];

export type Config = {
  readonly [Member in keyof typeof SETTINGS]: z.output<(typeof SETTINGS)[Member]["schema"]>;
};

function refuseUnknown(environment: Environment): void {
  const known = new Set<string>([...OTHER_NAMES, ...Object.values(SETTINGS).map(({ env }) => env)]);
  const unknown = Object.keys(environment).filter(
    (name) => name.startsWith("AFFIDAVIT_") && !known.has(name),
  );
  if (unknown.length === 0) return;
  throw new ConfigError("setting_unknown", unknown, `no such setting: ${unknown.toSorted().join(", ")}`);
}

/**
 * Settings from the environment, with defaults. An empty value counts as unset.
 * @throws ConfigError `setting_unknown` for a name with our prefix that nothing reads; `setting_invalid` naming every bad one.
 */
export function parseConfig(environment: Environment = process.env): Config {
  refuseUnknown(environment);
  const config: Record<string, unknown> = {};
  const problems: { env: string; text: string }[] = [];
  for (const [member, { env, schema, fallback }] of Object.entries(SETTINGS) as [
    string,
    Setting<unknown>,
  ][]) {
    const given = environment[env] || (typeof fallback === "function" ? fallback(environment) : fallback);
    if (given === undefined) {
      config[member] = undefined;
      continue;
    }
    const result = schema.safeParse(given);
    if (result.success) config[member] = result.data;
    else problems.push({ env, text: `${env}: ${result.error.issues[0]!.message}` });
  }
  if (problems.length > 0) {
    const names = problems.map(({ env }) => env);
    throw new ConfigError("setting_invalid", names, problems.map(({ text }) => text).join("; "));
  }
  return config as Config;
}

/** The devices that get an engine host, with what of the environment reaches it. */
export function configuredDevices(
  config: Pick<Config, "engineDevices">,
  wanted: readonly ExecutionProvider[],
  environment: Environment = process.env,
): EngineDevice[] {
  return devicesFor(config.engineDevices, wanted, environment);
}

/** Every setting with its default and meaning, in the order of the documentation. */
export function describeConfig(): { name: string; default: string; meaning: string }[] {
  return (Object.values(SETTINGS) as Setting<unknown>[]).map(({ env, fallback, shown, meaning }) => ({
    name: env,
    default: shown ?? (typeof fallback === "string" ? fallback : ""),
    meaning,
  }));
}
