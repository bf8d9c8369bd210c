import { describe, expect, it } from "vitest";
import { ModelError } from "../errors.ts";
import { layerModel } from "../testing/models.ts";
import { ModelState } from "./model-state.ts";

const limits = { breakerFailures: 3, executionProviders: ["webgpu", "cpu"], devices: [], hosts: 1 } as const;
const state = () => new ModelState(layerModel(), 1, limits);
const unavailable = (retryAfterMs: number) =>
  expect.objectContaining({ code: "model_unavailable", retryAfterMs });

function fail(model: ModelState, times: number, nowMs = 0): boolean[] {
  return Array.from({ length: times }, () => model.recordFailure(nowMs));
}

describe("the breaker", () => {
  it("opens at the third failure in a row, for a second, then twice as long, a minute at most", () => {
    const model = state();
    expect(fail(model, 3)).toEqual([false, false, true]);
    expect(() => model.admit(0)).toThrow(unavailable(1000));
    expect(() => model.admit(999)).toThrow(unavailable(1));
    model.admit(1000);
    expect(fail(model, 1, 1000)).toEqual([true]);
    expect(() => model.admit(1000)).toThrow(unavailable(2000));
    fail(model, 100, 5000);
    expect(() => model.admit(5000)).toThrow(unavailable(60_000));
  });

  it("forgets failures at the first success", () => {
    const model = state();
    fail(model, 2);
    model.recordSuccess(1);
    expect(fail(model, 2)).toEqual([false, false]);
    model.admit(0);
  });

  it("lets one trial through at a time", () => {
    const model = state();
    fail(model, 3);
    model.admit(1000);
    expect(() => model.admit(1000)).toThrow(unavailable(1000));
    model.endTrial();
    model.admit(1000);
    model.recordSuccess(1);
    for (let i = 0; i < 5; i++) model.admit(1000);
  });
});

describe("a failed load", () => {
  it("is answered with the same error for five seconds, then tried again", () => {
    const model = state();
    const error = new ModelError("graph_invalid", "bad graph");
    model.recordLoadFailure(error, 100);
    expect(() => model.admit(5099)).toThrow(error);
    model.admit(5100);
  });
});

describe("the estimate", () => {
  it("starts at the first run and follows the newer ones", () => {
    const model = state();
    expect(model.estimateMs).toBeUndefined();
    model.recordSuccess(10);
    expect(model.estimateMs).toBe(10);
    for (let i = 0; i < 50; i++) model.recordSuccess(1);
    expect(model.estimateMs).toBeCloseTo(1, 3);
  });
});

it("refuses a model that no host is there for, rather than let it wait", () => {
  const device = { name: "0", environment: {} };
  const at = (hosts: number, devices: (typeof device)[]) =>
    new ModelState(layerModel({ executionProviders: ["cpu"] }), 1, { ...limits, hosts, devices }).refusal(0);
  expect([at(0, [device])?.code, at(0, [])?.code]).toEqual(["model_unavailable", "model_unavailable"]);
  expect(at(1, [device])).toBeUndefined();
});

describe("the providers", () => {
  it("leave out one that failed for a minute, and say when it is to be tried again", () => {
    const model = state();
    expect([model.providers(0), model.retryAtMs(0)]).toEqual([["webgpu", "cpu"], Infinity]);
    expect(model.holdBack("webgpu", 0)).toBe(true);
    expect([model.providers(59_999), model.retryAtMs(1)]).toEqual([["cpu"], 60_000]);
    expect([model.providers(60_000), model.retryAtMs(60_000)]).toEqual([["webgpu", "cpu"], Infinity]);
  });

  it("never run out", () => {
    const model = state();
    expect([model.holdBack("webgpu", 0), model.holdBack("cpu", 0)]).toEqual([true, false]);
    expect(model.providers(0)).toEqual(["cpu"]);
  });

  it("are the manifest's where it names some; devices take what is not for the CPU alone", () => {
    const devices = [{ name: "0", environment: {} }];
    const wants = (executionProviders: ("cuda" | "cpu")[], of = devices) =>
      new ModelState(layerModel({ executionProviders }), 1, { ...limits, devices: of });
    expect(wants(["cuda"]).providers(0)).toEqual(["cuda"]);
    expect(
      [wants(["cuda", "cpu"]), wants(["cpu"]), wants(["cuda"], [])].map((one) => one.wantsDevice),
    ).toEqual([true, false, false]);
  });
});
