import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CodecError } from "../../codec/index.ts";
import { DATATYPES } from "../../receipts/index.ts";
import type { Datatype, Tensor } from "../../receipts/index.ts";
import { floatTensor } from "../testing/models.ts";
import { WIRE_DATATYPES } from "./datatypes.ts";
import { decodeFailure, encodeFailure, HostError } from "./failure.ts";
import { parseLoadReply } from "./load-reply.ts";
import { decodeTensors, encodeTensors, RUN_PREFIX_BYTES, runPrefix } from "./wire.ts";

const fixed = Object.keys(WIRE_DATATYPES).filter((name) => name !== "BYTES") as Datatype[];

const numeric = fc
  .tuple(fc.string(), fc.constantFrom(...fixed), fc.array(fc.nat(4), { maxLength: 4 }), fc.nat(255))
  .map(([name, datatype, shape, fill]): Tensor => {
    const count = shape.reduce((product, size) => product * size, 1);
    const data = new Uint8Array(count * WIRE_DATATYPES[datatype].byteLength).fill(fill);
    return { name, datatype, shape, data };
  });

const text = fc
  .tuple(fc.string(), fc.array(fc.uint8Array({ maxLength: 9 })))
  .map(([name, elements]): Tensor => {
    const parts = elements.flatMap((element) => [element.length, 0, 0, 0, ...element]);
    return { name, datatype: "BYTES", shape: [elements.length], data: Uint8Array.from(parts) };
  });

const lists = fc.array(fc.oneof(numeric, text), { maxLength: 6 });

describe("tensor frames", () => {
  it("give back what went in, at any alignment", () => {
    fc.assert(
      fc.property(lists, fc.nat(7), (tensors, shift) => {
        const frame = Buffer.concat([Buffer.alloc(shift), ...encodeTensors(tensors)]).subarray(shift);
        expect(decodeTensors(frame)).toEqual(tensors);
      }),
    );
  });

  it("let a tensor's data lie where every element can be used, behind the prefix of a run too", () => {
    fc.assert(
      fc.property(lists, (list) => {
        const whole = Buffer.concat([runPrefix(1, 2), ...encodeTensors(list)]);
        const frame = Buffer.from(new ArrayBuffer(whole.length));
        frame.set(whole);
        for (const { data } of decodeTensors(frame.subarray(RUN_PREFIX_BYTES)))
          expect(data.byteOffset % 8).toBe(0);
      }),
    );
  });

  it("never read past the frame, whatever a host sends", () => {
    const errors = [RangeError, CodecError];
    const attempt = (bytes: Uint8Array) => {
      try {
        decodeTensors(Buffer.from(bytes));
      } catch (error) {
        expect(errors.some((type) => error instanceof type)).toBe(true);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), attempt));
    const whole = Buffer.concat(
      encodeTensors([floatTensor("x", [1, 2, 3, 4], [2, 2]), floatTensor("y", [5])]),
    );
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeTensors(whole.subarray(0, length))).toThrow();
    }
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        attempt(Uint8Array.from(whole, (byte, i) => (i === at ? value : byte)));
      }),
    );
    expect(() => decodeTensors(Buffer.concat([whole, Buffer.of(0)]))).toThrow(RangeError);
  });

  it("use the receipts' codes and sizes", () => {
    expect(WIRE_DATATYPES).toEqual(DATATYPES);
  });
});

describe("failures", () => {
  it("keep their code and a bounded message", () => {
    const known = decodeFailure(Buffer.from(encodeFailure(new HostError("graph_invalid", "bad graph"))));
    expect([known.code, known.message]).toEqual(["graph_invalid", "bad graph"]);
    const long = decodeFailure(Buffer.from(encodeFailure(new Error("😀".repeat(9999)))));
    expect([long.code, long.message.length <= 1024]).toEqual(["engine_failed", true]);
  });

  it("are read whatever their bytes", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeFailure(Buffer.from(bytes)).message));
    expect(decodeFailure(Buffer.of(255, 0xff)).code).toBe("engine_failed");
  });
});

function parse(value: unknown): unknown {
  return parseLoadReply(Buffer.from(JSON.stringify(value)));
}

describe("load replies", () => {
  const reply = {
    provider: "cpu",
    cpuOperations: false,
    operations: null,
    adapter: null,
    precision: "graph",
    skipped: [],
    inputs: [{ name: "x", datatype: "FP32", shape: [null, 2] }],
    outputs: [],
  };
  it("are taken only in their exact form", () => {
    expect(parse(reply)).toEqual(reply);
    const bad = [
      null,
      [],
      {},
      { ...reply, provider: "rocm" },
      { ...reply, adapter: { name: "x", type: "gpu", driver: "", source: "loader" } },
      { ...reply, adapter: { name: "x".repeat(257), type: "software", driver: "", source: "loader" } },
      { ...reply, operations: { provider: -1, cpu: 0 } },
      { ...reply, precision: "fp8" },
      { ...reply, extra: 1 },
      { ...reply, inputs: [{ name: "x" }] },
    ];
    for (const value of bad) expect(() => parse(value)).toThrow();
  });
});
