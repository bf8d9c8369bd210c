/**
 * Circuits on disk: a folder for each, named by its id in hex, with `circuit.json`, `model.onnx`, `settings.json`, `vk`, `pk`,
 * `circuit.compiled`, `kzg.srs` and, once its owner signed, `binding.json`. What a circuit's id is over is checked when it is
 * loaded; `pk` and `circuit.compiled` only make proofs, which are verified before they are used.
 */
import { chmod, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { concat, equal, sha256, toHex, utf8 } from "../codec/index.ts";
import { verifyCircuitBinding, type CircuitBinding } from "./binding.ts";
import { circuitToJson, parseCircuit, type Circuit } from "./circuit.ts";
import { ProofError } from "./error.ts";
import { srsLogrows, VERIFYING_SRS_BYTES } from "./srs.ts";

export const CIRCUIT_FILES = {
  record: "circuit.json",
  onnx: "model.onnx",
  settings: "settings.json",
  vk: "vk",
  pk: "pk",
  compiled: "circuit.compiled",
  srs: "kzg.srs",
  binding: "binding.json",
} as const;

const MAX_CIRCUITS = 1024;
const MAX_VK_BYTES = 4 * 1024 * 1024;
const MAX_SETTINGS_BYTES = 64 * 1024;

export interface StoredCircuit {
  circuit: Circuit;
  directory: string;
  settings: string;
  verifyingKey: Uint8Array;
  /** The verifying part. */
  srs: Uint8Array;
  /** The owner-signed document's exact text and what it says; its signature is verified, whose key that is is not. */
  binding: { text: string; document: CircuitBinding } | undefined;
}

export class CircuitStore {
  readonly #circuits: ReadonlyMap<string, StoredCircuit>;

  private constructor(circuits: ReadonlyMap<string, StoredCircuit>) {
    this.#circuits = circuits;
  }

  /**
   * Reads every circuit below the folders; one that does not exist holds none.
   * @throws ProofError `circuit_invalid`, `circuit_id_mismatch`, `binding_invalid`, `binding_signature_invalid`,
   *   `binding_mismatch`, naming the folder
   */
  static async load(directories: readonly string[]): Promise<CircuitStore> {
    const circuits = new Map<string, StoredCircuit>();
    for (const directory of directories) {
      for (const folder of await folders(directory)) {
        const stored = await loadCircuit(folder);
        circuits.set(toHex(stored.circuit.circuitId), stored);
      }
    }
    return new CircuitStore(circuits);
  }

  list(): StoredCircuit[] {
    return [...this.#circuits.values()];
  }

  /** @param circuitId 32 bytes */
  get(circuitId: Uint8Array): StoredCircuit | undefined {
    return this.#circuits.get(toHex(circuitId));
  }

  /** The circuits of a model, those bound last first. */
  ofModel(modelId: Uint8Array): StoredCircuit[] {
    const issued = ({ binding }: StoredCircuit) => Number(binding?.document.issuedAtMs ?? -1n);
    return this.list()
      .filter(({ circuit }) => equal(circuit.modelId, modelId))
      .sort((a, b) => issued(b) - issued(a));
  }
}

async function folders(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new ProofError("circuit_invalid", `${directory}: the folder cannot be read`, { cause: error });
  });
  const names = entries.filter((entry) => entry.isDirectory() && /^[0-9a-f]{64}$/.test(entry.name));
  if (names.length > MAX_CIRCUITS) throw new ProofError("circuit_invalid", `${directory}: too many circuits`);
  return names.map(({ name }) => join(directory, name)).sort();
}

/** @throws ProofError as `CircuitStore.load` */
export async function loadCircuit(directory: string): Promise<StoredCircuit> {
  try {
    return await readStored(directory);
  } catch (cause) {
    if (cause instanceof ProofError)
      throw new ProofError(cause.code, `${directory}: ${cause.message}`, { cause });
    throw new ProofError("circuit_invalid", `${directory}: ${(cause as Error).message}`, { cause });
  }
}

async function readStored(directory: string): Promise<StoredCircuit> {
  const file = (name: keyof typeof CIRCUIT_FILES) => join(directory, CIRCUIT_FILES[name]);
  const circuit = parseCircuit(await readFile(file("record"), "utf8"));
  const settings = await bounded(file("settings"), MAX_SETTINGS_BYTES);
  const verifyingKey = await bounded(file("vk"), MAX_VK_BYTES);
  const srs = await readVerifyingSrs(file("srs"));
  const parts: [string, Uint8Array, Uint8Array][] = [
    [CIRCUIT_FILES.onnx, sha256(await readFile(file("onnx"))), circuit.onnxDigest],
    [CIRCUIT_FILES.settings, sha256(settings), circuit.settingsDigest],
    [CIRCUIT_FILES.vk, sha256(verifyingKey), circuit.vkDigest],
    [CIRCUIT_FILES.srs, sha256(srs), circuit.srsDigest],
  ];
  for (const [name, found, wanted] of parts) {
    if (!equal(found, wanted)) throw new ProofError("circuit_id_mismatch", `${name} is not the circuit's`);
  }
  const text = await readFile(file("binding"), "utf8").catch(() => undefined);
  return {
    circuit,
    directory,
    settings: new TextDecoder("utf-8", { fatal: true }).decode(settings),
    verifyingKey,
    srs,
    binding: text === undefined ? undefined : { text, document: checkBinding(text, circuit) },
  };
}

/** @throws ProofError `binding_mismatch` where the document is about another circuit than the record's */
function checkBinding(text: string, circuit: Circuit): CircuitBinding {
  const document = verifyCircuitBinding(text);
  const [bound, found] = [circuitToJson(document.circuit), circuitToJson(circuit)];
  if (!Object.keys(found).every((name) => JSON.stringify(bound[name]) === JSON.stringify(found[name])))
    throw new ProofError("binding_mismatch", `${CIRCUIT_FILES.binding} is about another circuit`);
  return document;
}

async function bounded(path: string, maxBytes: number): Promise<Uint8Array> {
  const bytes = await readFile(path);
  if (bytes.length > maxBytes) throw new ProofError("circuit_invalid", `${path} is too long`);
  return new Uint8Array(bytes);
}

/** The verifying part of a whole SRS file, of which only the ends are read. */
export async function readVerifyingSrs(path: string): Promise<Uint8Array> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const head = new Uint8Array(4 + 64);
    const tail = new Uint8Array(256);
    await handle.read(head, 0, head.length, 0);
    srsLogrows(head, size);
    await handle.read(tail, 0, tail.length, size - tail.length);
    const point = head.subarray(4);
    const srs = concat(new Uint8Array(4), point, point, tail);
    if (srs.length !== VERIFYING_SRS_BYTES) throw new ProofError("circuit_invalid", `${path} is no SRS`);
    return srs;
  } finally {
    await handle.close();
  }
}

/** Keeps a signed binding beside its circuit. @throws ProofError `binding_*` */
export async function storeBinding(stored: StoredCircuit, text: string): Promise<void> {
  checkBinding(text, stored.circuit);
  const target = join(stored.directory, CIRCUIT_FILES.binding);
  await writeFile(`${target}.new`, utf8(text));
  await rename(`${target}.new`, target);
}

/**
 * Moves a finished folder to its place. The same circuit made again keeps its keys; where its record says something else now
 * (a bound, a range), the owner has to bind it anew.
 */
export async function storeCircuit(folder: string, directory: string, circuit: Circuit): Promise<string> {
  const target = join(directory, toHex(circuit.circuitId));
  const record = `${JSON.stringify(circuitToJson(circuit), null, 2)}\n`;
  await writeFile(join(folder, CIRCUIT_FILES.record), record);
  await chmod(folder, 0o755);
  try {
    await rename(folder, target);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw cause;
    const known = join(target, CIRCUIT_FILES.record);
    if ((await readFile(known, "utf8")) !== record) {
      await rm(join(target, CIRCUIT_FILES.binding), { force: true });
      await rename(join(folder, CIRCUIT_FILES.record), known);
    }
  }
  return target;
}
