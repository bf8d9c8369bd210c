/** `affidavit circuit list | show | check | bind`: the circuits of a service on this machine. */
import { toHex, toHex0x } from "../../../codec/index.ts";
import {
  checkCircuit,
  circuitToJson,
  signCircuitBinding,
  storeBinding,
  type StoredCircuit,
} from "../../../proofs/index.ts";
import {
  CIRCUITS_HELP,
  findCircuit,
  findModel,
  graphOf,
  loadCircuits,
  openProofSystem,
  refusing,
} from "../circuits.ts";
import { flags, onlyPositional, printJson, UsageError, type Command } from "../command.ts";
import { paint, printable, table } from "../output.ts";
import { readOwnerSeed } from "../owner-seed.ts";

const LIST_HELP = `
affidavit circuit list [flags]

Shows the circuits that the service on this machine finds at its start.
${CIRCUITS_HELP}
  --json             one line for machines
`;

const SHOW_HELP = `
affidavit circuit show ID [flags]

Shows a circuit's record. ID is its id in hex or the first digits of it.
${CIRCUITS_HELP}
  --json             one line for machines
`;

const CHECK_HELP = `
affidavit circuit check ID --model MODEL [flags]

Makes the verifying key again from the model's weights and the circuit's settings, and compares: a yes means that a proof
under this key is about this model. Takes as long as making the keys did.

  --model MODEL      the model's folder or manifest, or its name${CIRCUITS_HELP}
  --json             one line for machines
`;

const BIND_HELP = `
affidavit circuit bind ID --key FILE [flags]

Signs, as the model's owner, that this circuit proves this model within its bound (docs/spec/proofs.md), and keeps the
document beside the circuit, where the service finds it at its next start.

  --key FILE         the owner's Ed25519 key: 64 hex digits, the seed of RFC 8032${CIRCUITS_HELP}
  --json             one line for machines
`;

export const circuitList: Command = {
  summary: "lists the circuits on this machine",
  help: LIST_HELP,
  run: list,
};
export const circuitShow: Command = { summary: "shows a circuit's record", help: SHOW_HELP, run: show };
export const circuitCheck: Command = {
  summary: "makes a circuit's verifying key again from the weights",
  help: CHECK_HELP,
  run: check,
};
export const circuitBind: Command = {
  summary: "signs that a circuit proves a model",
  help: BIND_HELP,
  run: bind,
};

const COMMON = { "data-dir": { type: "string" }, json: { type: "boolean" } } as const;

function recordOf({ circuit, directory, binding }: StoredCircuit): object {
  return { ...circuitToJson(circuit), directory, owner: binding ? toHex0x(binding.document.owner) : null };
}

async function list(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, COMMON);
  if (positionals.length > 0) throw new UsageError(`unexpected ${JSON.stringify(positionals[0])}`);
  const circuits = (await loadCircuits(values["data-dir"])).list();
  if (values.json) printJson({ ok: true, code: "ok", circuits: circuits.map(recordOf) });
  else process.stdout.write(`${listed(circuits)}\n`);
  return 0;
}

function listed(circuits: StoredCircuit[]): string {
  const rows = circuits.map(({ circuit, binding }) => [
    toHex(circuit.circuitId).slice(0, 16),
    toHex(circuit.modelId).slice(0, 16),
    `2^${circuit.logrows}`,
    circuit.parameters,
    circuit.srs,
    binding ? toHex(binding.document.owner).slice(0, 16) : "not bound",
  ]);
  return table([["CIRCUIT", "MODEL", "ROWS", "PARAMETERS", "SRS", "OWNER"], ...rows]);
}

async function show(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, COMMON);
  const stored = await findCircuit(onlyPositional(positionals, "circuit id"), values["data-dir"]);
  const record = recordOf(stored);
  if (values.json) printJson({ ok: true, code: "ok", circuit: record });
  else {
    const rows = Object.entries(record).map(([name, value]) => [name, shown(value)]);
    process.stdout.write(`${table(rows)}\n`);
  }
  return 0;
}

function shown(value: unknown): string {
  return printable(typeof value === "string" ? value : JSON.stringify(value), 200);
}

async function check(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { ...COMMON, model: { type: "string" } });
  const id = onlyPositional(positionals, "circuit id");
  if (values.model === undefined) throw new UsageError("give the --model whose circuit it should be");
  const stored = await findCircuit(id, values["data-dir"]);
  const { model } = await findModel(values.model, values["data-dir"]);
  const graph = await graphOf(model);
  const system = openProofSystem();
  try {
    await refusing(() => checkCircuit(system, stored, model.modelId, graph));
  } finally {
    await system.close();
  }
  const circuitId = toHex0x(stored.circuit.circuitId);
  if (values.json) printJson({ ok: true, code: "ok", circuitId, modelId: toHex0x(model.modelId) });
  else {
    const { name, version } = model.manifest;
    process.stdout.write(
      `${paint("green", "✓ checked")}  ${circuitId} is ${name}/${version}: the weights give its verifying key\n`,
    );
  }
  return 0;
}

async function bind(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { ...COMMON, key: { type: "string" } });
  const id = onlyPositional(positionals, "circuit id");
  if (values.key === undefined) throw new UsageError("give the owner's --key");
  const stored = await findCircuit(id, values["data-dir"]);
  const text = signCircuitBinding(stored.circuit, BigInt(Date.now()), await readOwnerSeed(values.key));
  await refusing(() => storeBinding(stored, text));
  const circuitId = toHex0x(stored.circuit.circuitId);
  const owner = (JSON.parse(text) as { owner: string }).owner;
  if (values.json) printJson({ ok: true, code: "ok", circuitId, owner, directory: stored.directory });
  else
    process.stdout.write(
      `${paint("green", "✓ bound")}  ${circuitId} by ${owner}; the service reads it at its next start\n`,
    );
  return 0;
}
