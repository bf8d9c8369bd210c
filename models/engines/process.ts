/** One engine host seen from the pool: a child process, its channel and its ledger. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { connect } from "../../ipc/index.ts";
import type { Channel, Frame } from "../../ipc/index.ts";
import { ModelError } from "../errors.ts";
import { decodeFailure } from "./failure.ts";
import { Ledger } from "./ledger.ts";
import { parseLoadReply } from "./load-reply.ts";
import { MAX_FRAME_BYTES, REPLY, REQUEST, WEIGHT_PIECE_BYTES } from "./wire.ts";
import type { LoadReply, LoadRequest } from "./wire.ts";

// The same extension as this file: a clone runs .ts, a build .js.
const ENTRY = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./host.ts" : "./host.js", import.meta.url),
);
const CHANNEL_FD = 3;
const RESIDENT = "VmRSS:";

export class HostProcess {
  /** Resolves once the process is gone and everything it had sent was read. Never rejects. */
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  readonly #channel: Channel | undefined;
  readonly #ledger = new Ledger();
  /** Known once the process is gone. */
  #lastBegun: number | undefined;

  constructor(environment: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, [ENTRY, String(process.pid)], {
      // A group of its own: a terminal's signals reach the service only, and one kill reaches all that a host started.
      detached: true,
      env: { ...environment },
      stdio: ["ignore", "ignore", "ignore", "pipe", this.#ledger.fd],
      windowsHide: true,
    });
    const exited = new Promise<void>((resolve) => {
      this.#child.once("exit", () => resolve());
      this.#child.once("error", () => resolve());
    });
    const stream = this.#child.stdio[CHANNEL_FD] as Duplex | undefined;
    this.#channel = stream && connect(stream, { maxFrameBytes: MAX_FRAME_BYTES });
    this.gone = this.#watch(exited);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The run that the host began last, 0 where none; while the host lives it may be a moment old. */
  lastBegun(): number {
    return this.#lastBegun ?? this.#ledger.read();
  }

  /** @throws ChannelError; `closed` where the host died */
  request(kind: number, payload: Uint8Array | readonly Uint8Array[]): Promise<Frame> {
    if (this.#channel === undefined)
      return Promise.reject(new ModelError("engine_crashed", "the host did not start"));
    return this.#channel.request(kind, payload);
  }

  /** Whether the host confined itself. @throws ChannelError */
  async hello(): Promise<boolean> {
    const reply = await this.request(REQUEST.hello, new Uint8Array(0));
    return reply.payload[0] === 1;
  }

  /** What the host sees of devices, as JSON that nobody has checked. @throws ChannelError, SyntaxError */
  async devices(): Promise<unknown> {
    const { payload } = await this.#expectDone(REQUEST.devices, new Uint8Array(0));
    return JSON.parse(payload.toString());
  }

  /**
   * Sends a model over and opens it.
   * @throws ModelError `graph_invalid`, `engine_provider_unavailable`, `engine_failed`; any other error is the host's fault
   */
  async load(request: LoadRequest, weights: Uint8Array): Promise<LoadReply> {
    await this.#expectDone(REQUEST.loadBegin, Buffer.from(JSON.stringify(request)));
    const model = modelNumber(request.model);
    for (let offset = 0; offset < weights.length; offset += WEIGHT_PIECE_BYTES) {
      await this.#expectDone(REQUEST.loadPiece, [
        model,
        weights.subarray(offset, offset + WEIGHT_PIECE_BYTES),
      ]);
    }
    const reply = await this.#expectDone(REQUEST.loadEnd, model);
    const parsed = parseLoadReply(reply.payload);
    if (!request.executionProviders.includes(parsed.provider))
      throw new Error("a provider that was not asked for");
    return parsed;
  }

  async unload(model: number): Promise<void> {
    await this.#expectDone(REQUEST.unload, modelNumber(model));
  }

  /** SIGKILL to the host and all it started; nothing else reaches a native call. */
  kill(): void {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // No group of that id (it may not be its leader yet, or the platform has none).
      this.#child.kill("SIGKILL");
    }
  }

  /** Resident memory in bytes; undefined where the system does not say. */
  residentBytes(): number | undefined {
    if (this.pid === undefined || process.platform !== "linux") return undefined;
    try {
      const status = readFileSync(`/proc/${this.pid}/status`, "latin1");
      const start = status.indexOf(RESIDENT);
      return start < 0 ? undefined : Number.parseInt(status.slice(start + RESIDENT.length), 10) * 1024;
    } catch {
      return undefined;
    }
  }

  async #watch(exited: Promise<void>): Promise<void> {
    // The channel ends first where the host's last words must still be read, the process first where it never started.
    await (this.#channel?.closed ?? exited);
    this.kill();
    await exited;
    this.#lastBegun = this.#ledger.read();
    this.#ledger.close();
  }

  async #expectDone(kind: number, payload: Uint8Array | readonly Uint8Array[]): Promise<Frame> {
    const reply = await this.request(kind, payload);
    if (reply.kind !== REPLY.done) throw decodeFailure(reply.payload);
    return reply;
  }
}

function modelNumber(model: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(model, 0);
  return bytes;
}
