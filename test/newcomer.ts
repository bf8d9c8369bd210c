/** A machine as a newcomer has it: an empty home, npm and Node as installed, nothing of this project's environment. */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { temporaryDirectory } from "./folder.ts";

export interface Finished {
  status: number | null;
  stdout: string;
  /** Both streams, in the order in which they came. */
  output: string;
}

export interface Service {
  url: string;
  output(): string;
  /** As a supervisor stops it. */
  stop(): Promise<Finished>;
}

/** What a child of the child holds open is let go of then. */
const STOP_LIMIT_MS = 60_000;

export class Newcomer {
  readonly directory: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #remove: () => void;

  constructor() {
    const { path, remove } = temporaryDirectory();
    this.directory = path;
    this.#remove = remove;
    const home = join(path, "home");
    mkdirSync(home);
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^(npm_|AFFIDAVIT_|XDG_|INIT_CWD)/i.test(name),
    );
    const folders = (process.env["PATH"] ?? "")
      .split(delimiter)
      .filter((folder) => !folder.includes("node_modules"));
    this.#environment = { ...Object.fromEntries(inherited), HOME: home, PATH: folders.join(delimiter) };
  }

  remove(): void {
    this.#remove();
  }

  run(command: string[], cwd: string, environment: Record<string, string> = {}): Promise<Finished> {
    return this.#start(command, cwd, environment).finished;
  }

  /** @throws Error with what the service said, where it does not listen in time */
  async serve(command: string[], cwd: string, startTimeoutMs: number): Promise<Service> {
    const port = await freePort();
    const { child, finished, output } = this.#start(command, cwd, { PORT: String(port) });
    const end = Date.now() + startTimeoutMs;
    while (!output().includes("Listening on")) {
      if (child.exitCode !== null || Date.now() > end) {
        child.kill();
        throw new Error(`the service did not start:\n${output()}`);
      }
      await new Promise((done) => setTimeout(done, 50));
    }
    const stop = async (): Promise<Finished> => {
      child.kill("SIGTERM");
      const late = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, STOP_LIMIT_MS);
      return await finished.finally(() => clearTimeout(late));
    };
    return { url: `http://localhost:${port}`, output, stop };
  }

  #start([program, ...words]: string[], cwd: string, environment: Record<string, string>) {
    const child = spawn(program!, words, {
      cwd,
      env: { ...this.#environment, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    const finished = new Promise<Finished>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status) => resolve({ status, stdout, output }));
    });
    return { child, finished, output: () => output };
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
