/** `affidavit doctor`: what a service finds on this machine, which TEE and GPU first, and how to turn on what is off. */
import { flags, printJson, UsageError, type Command } from "../command.ts";
import {
  databaseCheck,
  engineCheck,
  signerCheck,
  teeChecks,
  userCheck,
  type Check,
} from "../doctor-checks.ts";
import { gpuCheck, registerCheck } from "../gpu-checks.ts";
import { paint, printable } from "../output.ts";
import { providerChecks } from "../provider-checks.ts";

const HELP = `
affidavit doctor [--json]

Looks at this machine as its user: which TEE and GPU are here, which interface gives evidence or why not, which devices
and adapters there are, which execution providers run a small model on which of them, which signer, database and vault
user a service would have, and how to turn on what is off. It takes one piece of evidence from each interface to a TEE or
GPU that gives it, and changes nothing.

Exits 0 where a service can run here, 1 where something that it needs is missing.
`;

export const doctor: Command = { summary: "says what a service finds on this machine", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { json: { type: "boolean" } });
  if (positionals.length > 0) throw new UsageError("doctor takes flags alone");
  const tees = await teeChecks();
  const checks: Check[] = [
    ...tees,
    await registerCheck(),
    await gpuCheck(process.env),
    ...(await engineChecks()),
    signerCheck(),
    databaseCheck(process.env),
    userCheck(),
  ];
  const ok = checks.every(({ status }) => status !== "missing");
  const attestation = chosen(tees);
  if (values.json) printJson({ ok, attestation, checks });
  else process.stdout.write(textOf(checks, attestation));
  return ok ? 0 : 1;
}

async function engineChecks(): Promise<Check[]> {
  const engine = engineCheck();
  return engine.status === "ok" ? [engine, ...(await providerChecks(process.env))] : [engine];
}

/** What `AFFIDAVIT_ATTESTATION=auto` would take for this user. */
function chosen(tees: readonly Check[]): string {
  const used = tees.find(({ status }) => status === "ok");
  if (used) return used.part.slice("tee ".length);
  return tees.every(({ code }) => code === "interface_absent") ? "simulated" : "none";
}

const COLOURS = { ok: "green", off: "yellow", missing: "red" } as const;
const CHOICES = new Map([
  ["simulated", "simulated, on a loopback address alone: SIMULATED evidence proves nothing"],
  ["none", "none: a TEE is here and fails, and is not simulated instead"],
]);

function textOf(checks: readonly Check[], attestation: string): string {
  const lines = checks.flatMap(({ part, status, code, detail, advice }) => [
    `${paint(COLOURS[status], status.padEnd(7))}  ${part.padEnd(18)}  ${printable(detail)}${code === "ok" ? "" : ` [${code}]`}`,
    ...(advice === "" ? [] : [`${" ".repeat(29)}${advice}`]),
  ]);
  return [...lines, "", `attestation auto: ${CHOICES.get(attestation) ?? attestation}`, ""].join("\n");
}
