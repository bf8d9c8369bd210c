/** Starts the vault's process and speaks to it. */
import { spawn, type ChildProcess } from "node:child_process";
import type { Duplex, Readable } from "node:stream";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { WIPE_FREED } from "../bin/wipe-freed.js";
import { connect, type Channel } from "../ipc/index.ts";
import type { ChainPolicy } from "./chain-policy.ts";
import { VaultClient } from "./client.ts";
import { VaultError } from "./error.ts";
import { formatArguments, type BalancesPolicy } from "./host/arguments.ts";
import type { OwnUser } from "./host/key-directory.ts";
import type { SealingRotation } from "./host/sealing-keys.ts";
import { MAX_FRAME_BYTES, type VaultInfo } from "./wire/operations.ts";

/** Below 61,184, where systemd's dynamic users begin, and above what distributions give to accounts. */
export const DEFAULT_VAULT_ID = 60_942;
const DAY_MS = 86_400_000;
/** Longer than a keyset is valid, unless it was told otherwise: whoever sealed to a listed key is heard. */
export const DEFAULT_SEALING_ROTATION: SealingRotation = { rotateAfterMs: 30 * DAY_MS, overlapMs: DAY_MS };

const START_TIMEOUT_MS = 30_000;
/** The first start with balances makes their keys. */
const KEYS_TIMEOUT_MS = 300_000;
const CLOSE_TIMEOUT_MS = 2000;
const MAX_LINE_CHARACTERS = 4096;

export interface VaultOptions {
  /** Made with mode 0700 where missing; not the data directory. */
  keyDirectory: string;
  /** Which attester the vault opens. */
  attestation: string;
  /** Whose evidence goes with it: `auto`, `none`, `nvml`, `nvml:/path` or `simulated` (`none`). */
  gpuAttestation?: string | undefined;
  /** What models are measured into: `auto`, `none`, or the path of a register's file (`auto`). */
  measurementRegister?: string | undefined;
  /** Gets each line that the vault's process prints. */
  log: (line: string) => void;
  /** The vault's own user, where the service runs as root; 60,942 unless told. */
  uid?: number;
  gid?: number;
  /** The Ed25519 key whose documents are accepted about models that name no owner: 32 bytes; nobody's unless told. */
  owner?: Uint8Array | undefined;
  /** What the chain key signs; nothing unless told. */
  chain?: ChainPolicy | undefined;
  /** Encrypted balances; off unless told. */
  balances?: BalancesPolicy | undefined;
  /** When HPKE keys are made anew and how long the old ones still open requests ({@link DEFAULT_SEALING_ROTATION}). */
  sealing?: SealingRotation | undefined;
  /** Which workers elsewhere get the keys of single jobs: an appraisal policy, JSON text; none unless told. */
  workers?: string | undefined;
  /** What the key file is sealed under: `dstack`, `dstack:/socket`, or `none` unless told. */
  keyWrap?: string | undefined;
}

export interface Vault extends Pick<VaultClient, keyof VaultClient> {
  readonly info: VaultInfo;
  readonly pid: number;
  /** Ends the process. */
  close(): Promise<void>;
  /** Resolves when the process has ended, for whatever reason; every waiting call rejects with `vault_gone`. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/**
 * Starts a vault: new instance keys, the key directory's cluster keys. Started as root without a `uid`, it takes a user of
 * its own where the system lets it (`info.ownUser` says so).
 * @throws VaultError why it did not start
 */
export async function startVault(options: VaultOptions): Promise<Vault> {
  return await asSomeUser(options, (user) => startAs(options, user));
}

/** As a user of its own where that is asked for or can be, from root. @throws VaultError `platform_unsupported`, what `start` throws */
export async function asSomeUser<T>(
  options: Pick<VaultOptions, "uid" | "gid" | "log">,
  start: (user: OwnUser | undefined) => Promise<T>,
): Promise<T> {
  if (process.platform === "win32") throw new VaultError("platform_unsupported");
  const { uid, gid, log } = options;
  const isRoot = process.geteuid?.() === 0;
  const id = uid ?? DEFAULT_VAULT_ID;
  const user = { uid: id, gid: gid ?? id };
  if (uid !== undefined && !isRoot) throw new VaultError("own_user_unavailable");
  if (uid !== undefined || gid !== undefined || !isRoot) return await start(isRoot ? user : undefined);
  try {
    return await start(user);
  } catch (error) {
    if (!(error instanceof VaultError) || error.code !== "own_user_unavailable") throw error;
    log("the vault found no user of its own here and runs as the service's");
    return await start(undefined);
  }
}

async function startAs(options: VaultOptions, user: OwnUser | undefined): Promise<Vault> {
  const { child, channel, exited } = openHost(options, { user, joining: false });
  const client = new VaultClient(channel);
  try {
    const timeoutMs = options.balances ? KEYS_TIMEOUT_MS : START_TIMEOUT_MS;
    const info = await within(timeoutMs, client.describe());
    return Object.assign(client, { info, pid: child.pid!, exited, close: () => end(child, channel, exited) });
  } catch (error) {
    await end(child, channel, exited);
    if (error instanceof VaultError && error.code !== "vault_gone") throw error;
    throw new VaultError("start_failed", { cause: error });
  }
}

export interface OpenHost {
  child: ChildProcess;
  channel: Channel;
  exited: Vault["exited"];
}

/** The vault's process, before it said anything. */
export function openHost(
  options: VaultOptions,
  role: { user: OwnUser | undefined; joining: boolean },
): OpenHost {
  const child = spawnHost(options, role);
  const exited = new Promise<Awaited<Vault["exited"]>>((settle) => {
    child.once("exit", (code, signal) => settle({ code, signal }));
    child.once("error", () => settle({ code: null, signal: null }));
  });
  return { child, channel: connect(child.stdio[3] as Duplex, { maxFrameBytes: MAX_FRAME_BYTES }), exited };
}

function spawnHost(
  options: VaultOptions,
  { user, joining }: { user: OwnUser | undefined; joining: boolean },
): ChildProcess {
  const main = new URL(import.meta.url.endsWith(".ts") ? "./main.ts" : "./main.js", import.meta.url);
  const host = formatArguments({
    keyDirectory: resolve(options.keyDirectory),
    attestation: options.attestation,
    gpuAttestation: options.gpuAttestation ?? "none",
    measurementRegister: options.measurementRegister ?? "auto",
    user,
    owner: options.owner,
    chain: options.chain,
    balances: joining ? undefined : options.balances,
    sealing: options.sealing ?? DEFAULT_SEALING_ROTATION,
    workers: joining ? undefined : options.workers,
    joining,
    keyWrap: options.keyWrap ?? "none",
  });
  // Without --disable-sigusr1 any process of the same user could switch the debugger on and read the keys.
  const child = spawn(process.execPath, ["--disable-sigusr1", fileURLToPath(main), ...host], {
    cwd: "/",
    env: WIPE_FREED,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  forwardLines(child.stdout!, options.log);
  forwardLines(child.stderr!, options.log);
  return child;
}

function forwardLines(stream: Readable, log: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!.slice(0, MAX_LINE_CHARACTERS);
    for (const line of lines) log(line.slice(0, MAX_LINE_CHARACTERS));
  });
  stream.on("end", () => rest && log(rest));
}

/** @throws VaultError `start_failed` */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new VaultError("start_failed")), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Ends the process. */
export async function end(child: ChildProcess, channel: Channel, exited: Vault["exited"]): Promise<void> {
  channel.close();
  const timer = setTimeout(() => child.kill("SIGKILL"), CLOSE_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}
