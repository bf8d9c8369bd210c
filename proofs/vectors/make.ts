/**
 * Makes the proofs that the tests verify, with EZKL: `node proofs/vectors/make.ts`. Each run makes other proofs of the same
 * circuits, since proving draws randomness; what is recorded here was made by one such run.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256, toBase64, toHex0x, utf8 } from "../../codec/index.ts";
import { manifestText, modelId, parseManifest } from "../../models/client.ts";
import {
  buildCircuit,
  cacheDirectory,
  circuitSalt,
  circuitToJson,
  createEzklSystem,
  findProofSystem,
} from "../index.ts";
import { linearModel, zooModel } from "../testing/models.ts";
import { VECTOR_SALT } from "../testing/recorded.ts";

const cache = cacheDirectory(process.env);
const state = findProofSystem(cache);
if (!state.ready) throw new Error(`${state.problem}: ${state.command}`);
const system = createEzklSystem({ python: state.python });
const directory = mkdtempSync(join(tmpdir(), "affidavit-vectors-"));
const manifestFile = new URL("../../models/zoo/breast-cancer/manifest.json", import.meta.url);
const breastCancerId = modelId(manifestText(parseManifest(readFileSync(manifestFile, "utf8"))));
const recorded = [
  { name: "breast-cancer", model: zooModel("breast-cancer"), modelId: breastCancerId, parameters: "fixed" },
  { name: "linear", model: linearModel(), modelId: sha256(utf8("linear")), parameters: "hashed" },
] as const;
try {
  for (const { name, model, modelId: id, parameters } of recorded) {
    const { stored } = await buildCircuit(system, {
      model: model.graph,
      modelId: id,
      parameters,
      bound: 20_000_000n,
      inputRange: 8,
      samples: model.samples,
      cache,
      directory,
    });
    const { inputs } = model.samples[0]!;
    const proved = await system.prove({ circuit: stored, inputs, sCircuit: circuitSalt(VECTOR_SALT) });
    const vector = {
      circuit: circuitToJson(stored.circuit),
      settings: proved.settings,
      verifyingKey: toBase64(proved.verifyingKey),
      srs: toBase64(proved.srs),
      proof: toBase64(proved.proof),
      instances: proved.instances.map(toHex0x),
    };
    writeFileSync(new URL(`./${name}.proof.json`, import.meta.url), `${JSON.stringify(vector, null, 2)}\n`);
  }
} finally {
  await system.close();
  rmSync(directory, { recursive: true });
}
