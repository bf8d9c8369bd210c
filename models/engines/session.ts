/** One model in a host: weights arrive in pieces, then an ONNX Runtime session is made with the first provider that works. */
import * as ort from "onnxruntime-node";
import type { Tensor } from "../../receipts/index.ts";
import type { ExecutionProvider } from "../manifest.ts";
import { HostError } from "./failure.ts";
import { openSession } from "./open-session.ts";
import { runFault } from "./provider-fault.ts";
import { bestOfLast, MAX_UNREDUCED_BYTES } from "./reduce.ts";
import { datatypeOf, fromOrt, toOrt } from "./tensors.ts";
import type { GraphTensor, LoadReply, LoadRequest } from "./wire.ts";

const ERRORS_ONLY = 3;

export class ModelSession {
  readonly #request: LoadRequest;
  #weights: Uint8Array | undefined;
  #filledBytes = 0;
  #session: ort.InferenceSession | undefined;
  #provider: ExecutionProvider = "cpu";

  constructor(request: LoadRequest) {
    this.#request = request;
    this.#weights = new Uint8Array(request.bytes);
  }

  /** @throws HostError `graph_invalid` where more comes than was announced */
  addPiece(piece: Uint8Array): void {
    if (this.#weights === undefined || this.#filledBytes + piece.length > this.#weights.length) {
      throw new HostError("graph_invalid", "more weights than were announced");
    }
    this.#weights.set(piece, this.#filledBytes);
    this.#filledBytes += piece.length;
  }

  /** @throws HostError as `openSession` does */
  async open(): Promise<LoadReply> {
    const weights = this.#weights;
    if (weights === undefined || this.#filledBytes !== weights.length) {
      throw new HostError("graph_invalid", "fewer weights than were announced");
    }
    const { session, ...execution } = await openSession(weights, this.#request);
    this.#session = session;
    this.#provider = execution.provider;
    this.#weights = undefined;
    return {
      ...execution,
      inputs: session.inputMetadata.map(describe),
      outputs: session.outputMetadata.map(describe),
    };
  }

  /**
   * The graph's outputs, those that the manifest reduces replaced by what is left of them.
   * @throws HostError `model_unavailable`, `input_invalid`, `engine_failed`, `engine_provider_failed`,
   *   `engine_device_lost`, `output_invalid`, `output_not_finite`, `output_too_large`
   */
  async run(tensors: readonly Tensor[]): Promise<Tensor[]> {
    const session = this.#session;
    if (session === undefined) throw new HostError("model_unavailable", "the model is not loaded");
    const feeds: Record<string, ort.Tensor> = Object.create(null);
    for (const tensor of tensors) feeds[tensor.name] = toOrt(tensor);
    const results = await this.#ask(session, feeds);
    const { maxOutputBytes, reductions } = this.#request;
    let wholeBytes = 0;
    let outputBytes = 0;
    return session.outputNames.flatMap((name) => {
      const tensor = fromOrt(name, results[name] as ort.Tensor | undefined);
      const reduction = reductions.find(({ output }) => output === name);
      if (reduction) wholeBytes = bounded(wholeBytes + tensor.data.length, MAX_UNREDUCED_BYTES);
      const left = reduction ? bestOfLast(reduction, tensor) : [tensor];
      for (const { data } of left) outputBytes = bounded(outputBytes + data.length, maxOutputBytes);
      return left;
    });
  }

  async #ask(
    session: ort.InferenceSession,
    feeds: Record<string, ort.Tensor>,
  ): Promise<ort.InferenceSession.ReturnType> {
    try {
      return await session.run(feeds, { logSeverityLevel: ERRORS_ONLY });
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      const code = this.#provider === "cpu" ? undefined : runFault(message);
      throw code ? new HostError(code, `${this.#provider}: ${message}`) : cause;
    }
  }

  async close(): Promise<void> {
    this.#weights = undefined;
    await this.#session?.release();
    this.#session = undefined;
  }
}

function bounded(bytes: number, most: number): number {
  if (bytes > most) throw new HostError("output_too_large", `outputs exceed ${most} bytes`);
  return bytes;
}

function describe(metadata: ort.InferenceSession.ValueMetadata): GraphTensor {
  if (!metadata.isTensor) return { name: metadata.name, datatype: null, shape: [] };
  return {
    name: metadata.name,
    datatype: datatypeOf(metadata.type) ?? null,
    shape: metadata.shape.map((size) => (typeof size === "number" ? size : null)),
  };
}
