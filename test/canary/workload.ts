/** What callers do with a service, sealed, each with inputs that exist nowhere else; and a crash in the middle. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { WIPE_FREED } from "../../bin/wipe-freed.js";
import { createClient, type Client, type InferOptions, type InferResult } from "../../client/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { startService, type RunningService } from "../service-process.ts";
import type { Mark } from "./marks.ts";
import { startRecorder, type Recorder } from "./recorder.ts";

const MODEL = "digits";
/** Of a text of numbers: four or so of them. */
const TEXT_BYTES = 64;

function drawInput(): Tensor {
  const data = new Uint8Array(Float32Array.from({ length: 64 }, () => Math.random()).buffer);
  return { name: "image", datatype: "FP32", shape: [1, 1, 8, 8], data };
}

export class Workload {
  readonly marks: Mark[] = [];
  readonly #directory: string;
  readonly #captured: Buffer[] = [];
  #logs = "";
  #service: RunningService | undefined;
  #recorder: Recorder | undefined;
  #apiKey: string | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get service(): RunningService {
    return this.#service!;
  }

  /** Of every service so far. */
  get logs(): string {
    return this.#logs + this.service.output();
  }

  captured(): Buffer[] {
    return [...this.#captured, ...this.#recorder!.captured()];
  }

  async start(): Promise<void> {
    this.#service = await startService({
      directory: this.#directory,
      environment: {
        ...WIPE_FREED,
        NODE_OPTIONS: "--inspect=127.0.0.1:0",
        AFFIDAVIT_LOG_LEVEL: "trace",
      },
    });
    this.#apiKey ??= this.#service.apiKey;
    this.#recorder = await startRecorder(this.#service.url);
    if (!this.marks.length) this.marks.push({ name: "API key", bytes: Buffer.from(this.#apiKey) });
  }

  async stop(): Promise<void> {
    await this.#recorder?.close();
    await this.#service?.stop();
  }

  /** Every road of a sealed request that stores something. */
  async work(): Promise<void> {
    await this.#ask("binary", { binary: true });
    await this.#ask("JSON", {});
    const idempotencyKey = randomUUID();
    const repeated = drawInput();
    await this.#ask("repeated", { idempotencyKey }, repeated);
    await this.#ask("repeated", { idempotencyKey }, repeated);
    await this.#ask("re-executed", { assurance: "tee+reexecution" });
    const client = this.#client();
    await client.infer(MODEL, [{ ...drawInput(), shape: [2, 32] }]).catch(() => undefined);
  }

  /** Kills the service under load and starts another on its folders. */
  async crash(): Promise<void> {
    const asked = Array.from({ length: 12 }, (_, i) =>
      this.#ask(`crashed ${i % 2 === 0 ? "binary" : "JSON"}`, { binary: i % 2 === 0 }).catch(() => undefined),
    );
    await Promise.race(asked);
    const { child } = this.service;
    child.kill("SIGKILL");
    await once(child, "exit");
    await Promise.all(asked);
    this.#logs += this.service.output();
    this.#captured.push(...this.#recorder!.captured());
    await this.#recorder!.close();
    await this.start();
  }

  /** In the clear: what a search of the capture must find. */
  async askInTheClear(): Promise<void> {
    await this.#ask("clear", {}, drawInput(), this.#client(false));
  }

  #client(seal = true): Client {
    return createClient({
      url: this.#recorder!.url,
      apiKey: this.#apiKey!,
      policy: { allowSimulated: true },
      seal,
    });
  }

  async #ask(
    road: string,
    options: InferOptions,
    input = drawInput(),
    client = this.#client(),
  ): Promise<InferResult> {
    this.marks.push({ name: `${road} input`, bytes: input.data.subarray(0, TEXT_BYTES) });
    const numbers = new Float32Array(input.data.buffer, input.data.byteOffset, 4);
    this.marks.push({ name: `${road} input as text`, bytes: Buffer.from([...numbers].join(",")) });
    const result = await client.infer(MODEL, [input], options);
    const { salt, response } = result.privatePart;
    this.marks.push({ name: `${road} salt`, bytes: salt });
    this.marks.push({ name: `${road} output`, bytes: result.outputs[0]!.data.subarray(0, 40) });
    if (response.headerLength !== null) return result;
    const text = Buffer.from(response.bytes);
    const data = text.indexOf('"data":[') + 8;
    this.marks.push({ name: `${road} output as text`, bytes: text.subarray(data, data + TEXT_BYTES) });
    return result;
  }
}
