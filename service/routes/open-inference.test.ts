import { describe, expect, test } from "vitest";
import { createTestBench } from "./testing/services.ts";

const get = async (path: string) => {
  const response = await createTestBench().request(path);
  return [response.status, await response.json()] as const;
};

describe("Open Inference metadata", () => {
  test("server", async () => {
    expect(await get("/v2")).toEqual([
      200,
      {
        name: "affidavit",
        version: "1.2.3",
        extensions: ["binary_tensor_data", "model_configuration", "model_repository"],
      },
    ]);
    expect(await get("/v2/health/live")).toEqual([200, { live: true }]);
    expect(await get("/v2/health/ready")).toEqual([200, { ready: true }]);
  });

  test("model, newest and by version", async () => {
    const [status, body] = await get("/v2/models/double");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      name: "double",
      versions: ["1.0.0", "2.0.0"],
      inputs: [{ name: "x", datatype: "FP32", shape: [-1] }],
      outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
      parameters: { model_id: expect.stringMatching(/^0x[0-9a-f]{64}$/) },
    });
    const [, older] = await get("/v2/models/double/versions/1.0.0");
    expect(older).not.toEqual(body);
  });

  test("ready, and in plain words why not", async () => {
    expect(await get("/v2/models/double/ready")).toEqual([200, { name: "double", ready: true }]);
    const [status, body] = await get("/v2/models/double/versions/1.0.0/ready");
    expect(status).toBe(503);
    expect(body).toMatchObject({ code: "model_unavailable", detail: "its weights are missing" });
  });

  test("configuration as Triton spells it", async () => {
    expect(await get("/v2/models/double/config")).toEqual([
      200,
      {
        name: "double",
        platform: "onnxruntime_onnx",
        backend: "onnxruntime",
        max_batch_size: 0,
        input: [{ name: "x", data_type: "TYPE_FP32", dims: [-1] }],
        output: [{ name: "y", data_type: "TYPE_FP32", dims: [-1] }],
      },
    ]);
  });

  test("repository index, all and ready ones", async () => {
    const { app } = createTestBench();
    const all = await app.request("/v2/repository/index", { method: "POST" });
    expect(await all.json()).toEqual([
      { name: "double", version: "1.0.0", state: "UNAVAILABLE", reason: "its weights are missing" },
      { name: "double", version: "2.0.0", state: "READY", reason: "" },
    ]);
    const ready = await app.request("/v2/repository/index", { method: "POST", body: '{"ready":true}' });
    expect(await ready.json()).toHaveLength(1);
    const bad = await app.request("/v2/repository/index", { method: "POST", body: "{" });
    expect(bad.status).toBe(400);
  });

  test.each(["", "/ready", "/config", "/versions/3.0.0", "/versions/3.0.0/ready"])(
    "unknown model%s",
    async (rest) => {
      const name = rest.startsWith("/versions") ? "double" : "constructor";
      const [status, body] = await get(`/v2/models/${name}${rest}`);
      expect(status).toBe(404);
      expect(body).toMatchObject({ code: "model_not_found", error: expect.any(String) });
    },
  );
});
