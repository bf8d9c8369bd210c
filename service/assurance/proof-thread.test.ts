import { afterAll, expect, test } from "vitest";
import { commitInput } from "../../proofs/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { ProofThread } from "./proof-thread.ts";

const thread = new ProofThread();
afterAll(() => thread.close());
const salt = new Uint8Array(16).fill(3);

function given(count: number) {
  const data = Float32Array.from({ length: count }, (_, i) => i - count / 2);
  const inputs: Tensor[] = [
    { name: "x", datatype: "FP32", shape: [count], data: new Uint8Array(data.buffer) },
  ];
  return {
    circuit: { inputs: [{ name: "x", shape: [count] }], inputScale: 7, inputRange: 2n ** 30n },
    inputs,
  };
}

test.each([3, 56, 57, 300])("commits to %i values as the plain function does", async (count) => {
  const { circuit, inputs } = given(count);
  expect(await thread.commit(circuit, inputs, salt)).toEqual(commitInput(circuit, inputs, salt));
});

test("holds nothing else up while it hashes much, and keeps the order", async () => {
  const { circuit, inputs } = given(6000);
  const ends: string[] = [];
  let longestMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - last);
    last = performance.now();
  }, 5);
  const long = thread.commit(circuit, inputs, salt).then(() => ends.push("long"));
  const small = given(100);
  const short = thread.commit(small.circuit, small.inputs, salt).then(() => ends.push("short"));
  const started = performance.now();
  await Promise.all([long, short]);
  const tookMs = performance.now() - started;
  clearInterval(timer);
  expect(ends).toEqual(["long", "short"]);
  expect(longestMs).toBeLessThan(tookMs / 2);
});

test("refuses before anything is handed over, and outlives the thread", async () => {
  const { circuit, inputs } = given(100);
  await expect(thread.commit({ ...circuit, inputRange: 1n }, inputs, salt)).rejects.toMatchObject({
    code: "circuit_input_out_of_range",
  });
  await thread.close();
  expect(await thread.commit(circuit, inputs, salt)).toEqual(commitInput(circuit, inputs, salt));
});
