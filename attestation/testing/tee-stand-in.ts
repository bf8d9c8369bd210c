/** The server's end of `tee-stand-in.c`: a TEE interface as an object, and a process whose system calls lead to it. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const C_COMPILER = process.env["CC"] ?? "gcc";

/** Why it cannot be compiled here; undefined where it can. */
export const STAND_IN_MISSING: string | undefined =
  process.platform !== "linux"
    ? "needs Linux"
    : spawnSync(C_COMPILER, ["--version"]).status === 0
      ? undefined
      : "needs a C compiler";

export interface Answer {
  readonly errno?: keyof typeof constants.errno;
  readonly value?: number;
  readonly bytes?: Uint8Array;
}

export interface OpenFile {
  read?(byteLength: number): Answer;
  write?(bytes: Buffer): Answer;
  ioctl?(request: number, bytes: Buffer): Answer | Promise<Answer>;
  close?(): void;
}

/** What stands in: paths are as the collector wrote them. */
export interface StandIn {
  open(path: string, flags: number): OpenFile | Answer;
  mkdir?(path: string): Answer;
  rmdir?(path: string): Answer;
}

const OPERATIONS = ["", "open", "read", "write", "close", "mkdir", "rmdir", "ioctl"] as const;

function isAnswer(value: OpenFile | Answer): value is Answer {
  return "errno" in value;
}

async function answerTo(
  standIn: StandIn,
  state: { file: OpenFile },
  operation: number,
  argument: number,
  bytes: Buffer,
): Promise<Answer> {
  const name = OPERATIONS[operation];
  const { file } = state;
  if (name === "open") {
    const opened = standIn.open(bytes.toString(), argument);
    if (isAnswer(opened)) return opened;
    state.file = opened;
    return {};
  }
  if (name === "read") return file.read?.(argument) ?? { errno: "EINVAL" };
  if (name === "write") return file.write?.(bytes) ?? { errno: "EINVAL" };
  if (name === "ioctl") return (await file.ioctl?.(argument, bytes)) ?? { errno: "ENOTTY" };
  if (name === "mkdir" || name === "rmdir") return standIn[name]?.(bytes.toString()) ?? { errno: "EPERM" };
  file.close?.();
  return {};
}

async function serveConnection(socket: Socket, current: () => StandIn): Promise<void> {
  const state = { file: {} as OpenFile };
  let held = Buffer.alloc(0);
  for await (const part of socket) {
    held = Buffer.concat([held, part as Buffer]);
    while (held.length >= 12 && held.length >= 12 + held.readUInt32LE(8)) {
      const end = 12 + held.readUInt32LE(8);
      const bytes = held.subarray(12, end);
      const answer = await answerTo(current(), state, held.readUInt32LE(0), held.readUInt32LE(4), bytes);
      held = held.subarray(end);
      const { errno, bytes: out = new Uint8Array(0), value = out.length } = answer;
      const head = Buffer.alloc(12);
      head.writeUInt32LE(errno ? constants.errno[errno] : 0, 0);
      head.writeUInt32LE(value, 4);
      head.writeUInt32LE(out.length, 8);
      socket.write(Buffer.concat([head, out]));
    }
  }
}

export type Outcome =
  | { type: string; quote: Uint8Array; certificates: Uint8Array[] }
  | { code: string; message: string };

/** A process that collects when told to, every device of its being stood in for. */
export class CollectorProcess {
  readonly root: string;
  standIn: StandIn = { open: () => ({ errno: "ENOENT" }) };
  readonly #folder: string;
  readonly #server: Server;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(folder: string, server: Server, library: string, socketPath: string) {
    this.#folder = folder;
    this.#server = server;
    this.root = join(folder, "tee");
    // What is listed is listed for real, and empty.
    mkdirSync(this.root);
    server.on("connection", (socket) => {
      serveConnection(socket, () => this.standIn).catch(() => socket.destroy());
    });
    const main = new URL("./collect-process.ts", import.meta.url).pathname;
    this.#child = spawn(process.execPath, [main], {
      env: { LD_PRELOAD: library, STAND_IN_ROOT: this.root, STAND_IN_SOCKET: socketPath },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  static async start(): Promise<CollectorProcess> {
    const folder = mkdtempSync(join(tmpdir(), "tee-"));
    const library = join(folder, "stand-in.so");
    const source = join(import.meta.dirname, "tee-stand-in.c");
    execFileSync(C_COMPILER, ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]);
    const socketPath = join(folder, "socket");
    const server = createServer().listen(socketPath);
    await once(server, "listening");
    return new CollectorProcess(folder, server, library, socketPath);
  }

  /** Opens the selection, collects once for each report data, and closes. */
  async collect(selection: string, reportData: Uint8Array[], timeoutMs = 20_000): Promise<Outcome[]> {
    const asked = {
      selection,
      timeoutMs,
      reportData: reportData.map((bytes) => Buffer.from(bytes).toString("hex")),
    };
    this.#child.stdin!.write(JSON.stringify(asked) + "\n");
    const { value } = await this.#lines.next();
    const outcomes = JSON.parse(String(value)) as Record<string, unknown>[];
    return outcomes.map((outcome) =>
      "code" in outcome
        ? (outcome as Outcome)
        : {
            type: String(outcome["type"]),
            quote: new Uint8Array(Buffer.from(String(outcome["quote"]), "base64")),
            certificates: (outcome["certificates"] as string[]).map(
              (text) => new Uint8Array(Buffer.from(text, "base64")),
            ),
          },
    );
  }

  /** Opens a register's file, extends it by each digest, and says its value before and after. */
  async extend(
    register: string,
    digests: Uint8Array[],
  ): Promise<{ values: Uint8Array[] } | { code: string }> {
    const hex = digests.map((bytes) => Buffer.from(bytes).toString("hex"));
    this.#child.stdin!.write(JSON.stringify({ register, digests: hex }) + "\n");
    const { value } = await this.#lines.next();
    const answer = JSON.parse(String(value)) as { values: string[] } | { code: string };
    if ("code" in answer) return answer;
    return { values: answer.values.map((text) => new Uint8Array(Buffer.from(text, "hex"))) };
  }

  async close(): Promise<void> {
    this.#child.stdin!.end();
    if (this.#child.exitCode === null) await once(this.#child, "exit");
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
