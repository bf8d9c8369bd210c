/** What `/readyz` says of each part, in plain words. */
import type { Engine, LoadedModel, LoadedStats } from "../models/index.ts";
import { isReachable, type Appender, type Database } from "./db/index.ts";
import type { ProverState } from "./assurance/index.ts";
import type { JobQueue } from "./jobs/index.ts";
import type { SessionHolder } from "./session.ts";
import type { Component, Health } from "./services.ts";

/** Parts that a user turns on; none of them keeps the service from serving. */
export const OPTIONAL_PARTS: Component[] = [
  {
    name: "hardware attestation",
    status: "off",
    notes: [
      "Evidence is simulated, in whole or in part, and proves nothing. Run in a TEE and set AFFIDAVIT_ATTESTATION and AFFIDAVIT_GPU_ATTESTATION.",
    ],
  },
];

interface PublicModels {
  visibleTo(tenantId: undefined): LoadedModel[];
}

export function createHealth(parts: {
  database: Database;
  embedded: boolean;
  appender: Appender;
  sessions: SessionHolder;
  engine: Engine;
  models: PublicModels;
  jobs: JobQueue | undefined;
  prover: ProverState;
  /** Workers elsewhere that are admitted. */
  workersElsewhere: () => number;
  balances: Component;
}): Health {
  return {
    async components() {
      const reachable = await isReachable(parts.database);
      return [
        {
          name: "database",
          status: reachable ? "ok" : "down",
          notes: [
            parts.embedded ? "Embedded PostgreSQL in the data directory." : "PostgreSQL by DATABASE_URL.",
            `${parts.appender.waiting()} statements wait to be stored.`,
          ],
        },
        vaultComponent(parts.sessions),
        engineComponent(parts.engine, parts.models),
        jobsComponent(parts.jobs),
        proofsComponent(parts.prover, parts.workersElsewhere()),
        parts.balances,
        ...(simulated(parts.sessions) ? OPTIONAL_PARTS : []),
      ];
    },
  };
}

/** What is left to others is on where there are any. */
function proofsComponent({ status, notes }: ProverState, elsewhere: number): Component {
  if (elsewhere === 0) return { name: "proofs", status, notes };
  return { name: "proofs", status: "ok", notes: [...notes, `${elsewhere} workers elsewhere are admitted.`] };
}

function simulated(sessions: SessionHolder): boolean {
  const info = sessions.peek()?.vault.info;
  return info?.attester.simulated === true || info?.gpuAttester?.simulated === true;
}

function vaultComponent(sessions: SessionHolder): Component {
  const session = sessions.peek();
  if (!session) return { name: "vault", status: "down", notes: ["The vault is being started again."] };
  const { signer, ownUser, dumpable, attester, gpuAttester, measuresModels } = session.vault.info;
  const notes = [
    signer === "native"
      ? "Signs with the native secp256k1 binding."
      : "Signs with @noble/curves: the native secp256k1 binding did not load; some ten times slower.",
    ownUser
      ? "Runs under a user of its own."
      : "Shares the service's user: file modes on its keys stop accidents only. Start as root to give it its own.",
    `Attester: ${named(attester)}.`,
    gpuAttester ? `GPUs: ${named(gpuAttester)}.` : "GPUs: not attested.",
    measuresModels
      ? `Models are measured into RTMR3${attester.simulated ? " (simulated: proves nothing)" : ""}.`
      : "Models are not measured into a register.",
  ];
  if (dumpable) notes.push("Its memory can be read by other processes of its user on this system.");
  return { name: "vault", status: signer === "native" ? "ok" : "degraded", notes };
}

/** A software adapter, and a fallback, must not be taken for what was configured. */
function placementNote({ model, provider, adapter, cpuOperations, skipped }: LoadedStats): string {
  const place =
    adapter === null ? provider : `${provider} on ${adapter.name || "an unnamed adapter"} (${adapter.type})`;
  const parts = cpuOperations ? ", parts of it on the CPU" : "";
  const instead = skipped.length > 0 ? `; not as configured first: ${skipped.join("; ")}` : "";
  return `${model} runs on ${place}${parts}${instead}.`;
}

function named({ name, simulated: isSimulated }: { name: string; simulated: boolean }): string {
  return isSimulated ? `${name} (simulated: proves nothing)` : name;
}

/** Names of models that not everybody may use are told to nobody. */
function engineComponent(engine: Engine, models: PublicModels): Component {
  const shown = models.visibleTo(undefined);
  const names = new Set(shown.map(({ manifest }) => `${manifest.name}/${manifest.version}`));
  const { hosts, queued, restarts } = engine.stats();
  const alive = hosts.filter(({ state }) => state !== "starting").length;
  return {
    name: "engine",
    status: alive > 0 ? "ok" : "degraded",
    notes: [
      `${shown.length} models, ${alive} of ${hosts.length} engine hosts ready, ${queued} inferences wait, ${restarts} hosts replaced.`,
      ...hosts.flatMap(({ device, loaded }) =>
        device === undefined ? [] : loaded.filter(({ model }) => names.has(model)).map(placementNote),
      ),
    ],
  };
}

function jobsComponent(jobs: JobQueue | undefined): Component {
  return jobs
    ? { name: "jobs", status: "ok", notes: ["Background jobs in the database's schema affidavit_jobs."] }
    : { name: "jobs", status: "off", notes: ["Background jobs need Node 22.12 or newer."] };
}
