/** A whole service on a device: what a caller, a monitor and an operator are told of where a model ran. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient, parseExecutionRecord } from "../client/index.ts";
import { parseInferRequest } from "../models/client.ts";
import { SOFTWARE_ADAPTER_MISSING, softwareAdapter } from "../models/testing/software-adapter.ts";
import { startService, type RunningService } from "./service-process.ts";

const MODEL = "breast-cancer";
const example = new URL(`../models/zoo/${MODEL}/example.json`, import.meta.url);
const { inputs } = parseInferRequest(readFileSync(example));
let service: RunningService;

const clientOf = ({ url, apiKey }: RunningService) =>
  createClient({ url, apiKey, policy: { allowSimulated: true } });
const read = async (path: string) => (await fetch(service.url + path)).text();

describe.skipIf(!softwareAdapter)(`a service on WebGPU (${SOFTWARE_ADAPTER_MISSING})`, () => {
  beforeAll(async () => {
    service = await startService({
      environment: {
        AFFIDAVIT_EXECUTION_PROVIDERS: "webgpu,cpu",
        AFFIDAVIT_ENGINE_DEVICES: softwareAdapter!.name,
      },
    });
  }, 90_000);
  afterAll(() => service?.stop());

  it("tells the caller the adapter, under the statement's digest, and calls software software", async () => {
    const { execution, receipt, verification } = await clientOf(service).infer(MODEL, inputs);
    expect(execution).toMatchObject({
      provider: "webgpu",
      cpuOperations: false,
      adapter: { type: "software", source: "loader" },
    });
    expect(parseExecutionRecord(receipt.execution)).toEqual(execution);
    const claim = verification.claims.find(({ claim: name }) => name === "execution");
    expect(claim).toMatchObject({
      status: "asserted",
      value: expect.stringMatching(/^onnxruntime-node on webgpu on .*\(software\)$/),
    });
  });

  it("counts by provider and adapter, and says in /readyz where each model is", async () => {
    const runs =
      /^affidavit_engine_runs_total\{provider="webgpu",adapter="[^"]+",adapter_type="software"\} [1-9]/m;
    expect(await read("/metrics")).toMatch(runs);
    expect(await read("/readyz")).toMatch(/breast-cancer\/1\.0\.0 runs on webgpu on [^"]* \(software\)/);
  });
});
