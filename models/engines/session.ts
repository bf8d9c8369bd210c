/** One model in a host: weights arrive in pieces, then an ONNX Runtime session is made with the first provider that works. */
import * as ort from "onnxruntime-node";
import type { Tensor } from "../../receipts/index.ts";
import type { ExecutionProvider } from "../manifest.ts";
import { HostError } from "./failure.ts";
import { bestOfLast, MAX_UNREDUCED_BYTES } from "./reduce.ts";
import { datatypeOf, fromOrt, toOrt } from "./tensors.ts";
import type { GraphTensor, LoadReply, LoadRequest } from "./wire.ts";

/** What an operator does about a provider that is not there. */
const REMEDY: Record<string, string> = {
  cuda: "install onnxruntime-node with its CUDA libraries (see the operator's guide), CUDA and cuDNN",
  tensorrt: "install onnxruntime-node with its CUDA libraries, CUDA, cuDNN and TensorRT",
  webgpu: "install the Vulkan loader (libvulkan.so.1) and a GPU driver",
};

const ERRORS_ONLY = 3;

export class ModelSession {
  readonly #request: LoadRequest;
  #weights: Uint8Array | undefined;
  #filledBytes = 0;
  #session: ort.InferenceSession | undefined;

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

  /** @throws HostError `graph_invalid`, `engine_provider_unavailable` */
  async open(): Promise<LoadReply> {
    const weights = this.#weights;
    if (weights === undefined || this.#filledBytes !== weights.length) {
      throw new HostError("graph_invalid", "fewer weights than were announced");
    }
    const { session, provider, cpuOperations } = await createSession(weights, this.#request);
    this.#session = session;
    this.#weights = undefined;
    return {
      provider,
      cpuOperations,
      inputs: session.inputMetadata.map(describe),
      outputs: session.outputMetadata.map(describe),
    };
  }

  /**
   * The graph's outputs, those that the manifest reduces replaced by what is left of them.
   * @throws HostError `model_unavailable`, `input_invalid`, `engine_failed`, `output_invalid`, `output_not_finite`,
   *   `output_too_large`
   */
  async run(tensors: readonly Tensor[]): Promise<Tensor[]> {
    const session = this.#session;
    if (session === undefined) throw new HostError("model_unavailable", "the model is not loaded");
    const feeds: Record<string, ort.Tensor> = Object.create(null);
    for (const tensor of tensors) feeds[tensor.name] = toOrt(tensor);
    const results = await session.run(feeds);
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

interface Created {
  session: ort.InferenceSession;
  provider: ExecutionProvider;
  cpuOperations: boolean;
}

/** In the order given; only a provider that is listed is ever used. */
async function createSession(weights: Uint8Array, request: LoadRequest): Promise<Created> {
  const reasons: string[] = [];
  for (const [index, provider] of request.executionProviders.entries()) {
    // Operations that a GPU provider lacks may fall to the CPU only where the CPU is listed after it.
    const cpuOperations = provider !== "cpu" && request.executionProviders.indexOf("cpu", index) > 0;
    try {
      return { session: await create(weights, provider, cpuOperations, request), provider, cpuOperations };
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      if (provider === "cpu")
        throw new HostError("graph_invalid", `the engine does not load the model: ${reason}`);
      const remedy = REMEDY[provider] ?? "it is not part of onnxruntime-node on this system";
      reasons.push(`${provider}: ${remedy} (${reason.slice(0, 120)})`);
    }
  }
  throw new HostError(
    "engine_provider_unavailable",
    `no configured execution provider works: ${reasons.join("; ")}`,
  );
}

function create(
  weights: Uint8Array,
  provider: string,
  cpuOperations: boolean,
  request: LoadRequest,
): Promise<ort.InferenceSession> {
  const strict = provider !== "cpu" && !cpuOperations;
  return ort.InferenceSession.create(weights, {
    executionProviders: cpuOperations ? [provider, "cpu"] : [provider],
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    intraOpNumThreads: request.threads,
    interOpNumThreads: 1,
    logSeverityLevel: ERRORS_ONLY,
    ...(strict && { extra: { session: { disable_cpu_ep_fallback: "1" } } }),
  });
}

function describe(metadata: ort.InferenceSession.ValueMetadata): GraphTensor {
  if (!metadata.isTensor) return { name: metadata.name, datatype: null, shape: [] };
  return {
    name: metadata.name,
    datatype: datatypeOf(metadata.type) ?? null,
    shape: metadata.shape.map((size) => (typeof size === "number" ? size : null)),
  };
}
