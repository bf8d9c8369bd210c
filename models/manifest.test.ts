import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../codec/index.ts";
import { compareVersions, manifestText, modelId, parseCanonicalManifest, parseManifest } from "./manifest.ts";
import type { Manifest } from "./manifest.ts";
import { bestModel } from "./testing/models.ts";

const { manifest, manifestText: text } = bestModel({
  executionProviders: ["cuda", "cpu"],
  tolerance: { absolute: 1e-6, relative: 0.001 },
  accuracy: { metric: "accuracy", value: 0.97, dataset: "a dataset", split: "held-out 20 %" },
});

/** Every path to a member, by example. */
function paths(value: unknown, prefix: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const path = [...prefix, Array.isArray(value) ? Number(key) : key];
    return [path, ...paths(inner, path)];
  });
}

function withMember(
  path: readonly (string | number)[],
  change: (holder: Record<string, unknown>, key: string) => void,
): string {
  const copy = structuredClone(manifest) as unknown;
  let holder = copy as Record<string, unknown>;
  for (const key of path.slice(0, -1)) holder = holder[key] as Record<string, unknown>;
  change(holder, String(path.at(-1)));
  return JSON.stringify(copy);
}

const OPTIONAL = ["executionProviders", "reduce", "tolerance"];

describe("parseManifest", () => {
  it("reads what manifestText writes, whatever the formatting", () => {
    expect(parseManifest(text)).toEqual(manifest);
    expect(parseManifest(JSON.stringify(manifest, null, 2))).toEqual(manifest);
    expect(manifestText(parseManifest(JSON.stringify(manifest, null, 2)))).toBe(text);
  });

  it.each(paths(manifest).map((path) => [path.join("."), path] as const))(
    "needs %s as it is specified",
    (_, path) => {
      const nonsense = withMember(path, (holder, key) => (holder[key] = { nonsense: true }));
      expect(() => parseManifest(nonsense)).toThrow(expect.objectContaining({ code: "manifest_invalid" }));
      if (typeof path.at(-1) === "number" || OPTIONAL.includes(path.join("."))) return;
      const missing = withMember(path, (holder, key) => delete holder[key]);
      expect(() => parseManifest(missing)).toThrow(expect.objectContaining({ code: "manifest_invalid" }));
    },
  );

  const objects = [[], ...paths(manifest)].filter((path) => {
    const value = path.reduce<unknown>((inner, step) => (inner as Record<string, unknown>)[step], manifest);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  });
  it.each(objects.map((path) => [path.join(".") || "the top", path] as const))(
    "refuses an unknown member in %s",
    (_, path) => {
      for (const member of ["extra", "__proto__"]) {
        const changed = withMember([...path, member], (holder, key) => {
          Object.defineProperty(holder, key, { value: 1, enumerable: true });
        });
        expect(changed).toContain(`"${member}":1`);
        expect(() => parseManifest(changed)).toThrow(expect.objectContaining({ code: "manifest_invalid" }));
      }
    },
  );

  it.each<[string, (changed: Manifest) => void]>([
    ["formatVersion", (m) => ((m as { formatVersion: number }).formatVersion = 2)],
    ["name", (m) => (m.name = "../up")],
    ["name", (m) => (m.name = "")],
    ["name", (m) => (m.name = "a".repeat(65))],
    ["version", (m) => (m.version = "1.02")],
    ["version", (m) => (m.version = "1.2.3.4")],
    ["title", (m) => (m.title = "two\nlines")],
    ["title", (m) => (m.title = "\ud800")],
    ["licence", (m) => (m.licence = "MIT; rm")],
    ["source", (m) => (m.source = { ...m.source, file: "../../etc/passwd" })],
    ["source", (m) => (m.source = { ...m.source, file: "/etc/passwd" })],
    ["source", (m) => (m.source = { ...m.source, digest: "sha256:00" })],
    [
      "source",
      (m) => (m.source = { url: "http://example.org/m.onnx", version: "1", digest: m.source.digest }),
    ],
    ["weights.bytes", (m) => (m.weights.bytes = 0)],
    ["weights.sha256", (m) => (m.weights.sha256 = m.weights.sha256.replace(/.$/, "G"))],
    ["inputs", (m) => (m.inputs = [])],
    ["inputs", (m) => m.inputs.push(m.inputs[0]!)],
    ["inputs.0.shape.0", (m) => (m.inputs[0]!.shape[0] = -2)],
    ["inputs.0.shape.1", (m) => (m.inputs[0]!.shape[1] = 0)],
    ["inputs.0.maxShape", (m) => ((m.inputs[0]!.shape[1] = 2), (m.inputs[0]!.maxShape = [8, 3]))],
    ["inputs.0.maxShape", (m) => (m.inputs[0]!.maxShape = [8])],
    [
      "outputKind",
      (m) => ((m.outputKind = { kind: "fixedPoint", scale: 6 }), (m.outputs[0]!.datatype = "BYTES")),
    ],
    ["outputKind.scale", (m) => (m.outputKind = { kind: "fixedPoint", scale: 37 })],
    ["reduce", (m) => (m.reduce = [])],
    ["reduce", (m) => (m.reduce = Array.from({ length: 17 }, () => m.reduce![0]!))],
    ["reduce", (m) => m.reduce!.push(m.reduce![0]!)],
    ["reduce", (m) => (m.reduce![0]!.value = "index")],
    ["reduce", (m) => (m.reduce![0]!.output = "value")],
    ["reduce", (m) => (m.reduce![0]!.index = "absent")],
    ["reduce", (m) => m.outputs.push({ ...m.outputs[0]!, name: "y" })],
    ["reduce", (m) => (m.outputs[0]!.datatype = "INT64")],
    ["reduce", (m) => (m.outputs[1]!.datatype = "FP16")],
    ["reduce", (m) => (m.outputs[1]!.shape = [-1, -1])],
    ["reduce.0.op", (m) => ((m.reduce![0] as { op: string }).op = "sum")],
    ["reduce.0.output", (m) => (m.reduce![0]!.output = "")],
    ["assurance", (m) => (m.assurance = ["tee+zk"])],
    ["assurance", (m) => (m.assurance = ["tee", "tee"])],
    ["limits.timeoutMs", (m) => (m.limits.timeoutMs = 1e9)],
  ])("refuses a bad %s", (path, change) => {
    const copy = structuredClone(manifest);
    change(copy);
    const thrown = expect.objectContaining({
      code: "manifest_invalid",
      message: expect.stringContaining(path),
    });
    expect(() => parseManifest(JSON.stringify(copy))).toThrow(thrown);
  });

  it("refuses what is not JSON, and what is too long to look at", () => {
    for (const bad of ["", "{", "null", "[]", `"${"x".repeat(1 << 20)}"`]) {
      expect(() => parseManifest(bad)).toThrow(expect.objectContaining({ code: "manifest_invalid" }));
    }
  });
});

describe("modelId", () => {
  it("is the SHA-256 of the canonical text, and changes with every member", () => {
    const id = toHex(modelId(text));
    for (const path of paths(manifest)) {
      const changed = withMember(path, (holder, key) => (holder[key] = "changed"));
      expect(toHex(modelId(changed))).not.toBe(id);
    }
    expect(id).toBe(toHex(modelId(manifestText(manifest))));
  });
});

describe("parseCanonicalManifest", () => {
  it("takes the canonical text and no other spelling", () => {
    expect(parseCanonicalManifest(text)).toEqual(manifest);
    const twice = text.replace(`"name":"best"`, `"name":"other","name":"best"`);
    for (const other of [` ${text}`, JSON.stringify(manifest), twice, text.replace("best", "b\\u0065st")]) {
      expect(() => parseCanonicalManifest(other)).toThrow(
        expect.objectContaining({ code: "manifest_not_canonical" }),
      );
    }
  });
});

describe("compareVersions", () => {
  it("counts numbers, not letters", () => {
    const sorted = ["0", "0.9", "0.10", "1", "1.0.0", "1.0.1", "1.2", "1.10.0", "2", "10"];
    expect(sorted.toReversed().sort(compareVersions)).toEqual(sorted);
  });

  it("is a total order", () => {
    const version = fc.array(fc.nat(12), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("."));
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) + 0);
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0)
          expect(compareVersions(a, c)).toBeLessThanOrEqual(0);
        expect(compareVersions(a, b) === 0).toBe(a === b);
      }),
    );
  });
});
