/** A whole service in a process of its own, on a free port, in folders of its own: what tests and benches talk to. */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "./folder.ts";

export interface RunningService {
  url: string;
  apiKey: string;
  /** Holds data, keys and configuration. */
  directory: string;
  child: ChildProcess;
  output(): string;
  stop(): Promise<void>;
}

export interface StartOptions {
  environment?: Record<string, string>;
  /** An existing service's folders, to start again on them. */
  directory?: string;
  startTimeoutMs?: number;
}

const MAIN = new URL("../service/main.ts", import.meta.url).pathname;

/** The bare process, for what happens while it starts. */
export function spawnService(directory: string, environment: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [MAIN], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      HOME: directory,
      PORT: "0",
      AFFIDAVIT_DATA_DIR: join(directory, "data"),
      AFFIDAVIT_CONFIG_DIR: join(directory, "config"),
      AFFIDAVIT_VAULT_DIR: join(directory, "vault"),
      ...environment,
    },
  });
}

export async function startService(options: StartOptions = {}): Promise<RunningService> {
  const directory = options.directory ?? temporaryDirectory().path;
  const child = spawnService(directory, options.environment);
  let output = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(-1_000_000)));
  }
  const exited = new Promise<void>((done) => child.once("exit", () => done()));
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await exited;
    if (!options.directory) rmSync(directory, { recursive: true, force: true });
  };
  const end = Date.now() + (options.startTimeoutMs ?? 60_000);
  for (;;) {
    const url = /Listening on (http:\/\/\S+)/.exec(output)?.[1];
    if (url) {
      const apiKey = readApiKey(join(directory, "config", "credentials.json"), url);
      return { url, apiKey, directory, child, output: () => output, stop };
    }
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > end) {
      child.kill("SIGKILL");
      throw new Error(`the service did not start:\n${output}`);
    }
    await new Promise((done) => setTimeout(done, 25));
  }
}

function readApiKey(file: string, url: string): string {
  const known = JSON.parse(readFileSync(file, "utf8")) as Record<string, string>;
  return known[url]!;
}
