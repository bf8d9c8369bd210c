/**
 * ONNX Runtime alone, in a process of its own: each message is answered with the milliseconds of one run. Arguments: model,
 * then execution providers.
 */
import * as ort from "onnxruntime-node";
import { inputsOf, modelOf } from "./gpu-load.ts";

const [model = "", ...executionProviders] = process.argv.slice(2);
const session = await ort.InferenceSession.create(await (await modelOf(model)).weights(), {
  executionProviders,
  graphOptimizationLevel: "all",
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
});
const feeds = Object.fromEntries(
  inputsOf(model).map(({ name, shape, data }) => [
    name,
    new ort.Tensor("float32", new Float32Array(data.slice().buffer), shape),
  ]),
);
process.on("message", () => {
  const startedMs = performance.now();
  session.run(feeds).then(
    () => process.send!(performance.now() - startedMs),
    () => process.exit(1),
  );
});
process.send!("ready");
