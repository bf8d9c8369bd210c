/** Settings of proofs and re-executions. */
import { availableParallelism } from "node:os";
import { z } from "zod";
import { fromHex } from "../codec/index.ts";
import { cacheDirectory } from "../proofs/index.ts";
import { parseUsd } from "./policy.ts";
import { directory, HOUR_MS, integer, MINUTE_MS, setting } from "./setting.ts";

export const ASSURANCE_SETTINGS = {
  circuitsDirectory: setting({
    env: "AFFIDAVIT_CIRCUITS_DIR",
    schema: directory.optional() as z.ZodType<string | undefined, string>,
    meaning:
      "A folder of circuits that `affidavit circuit build` made. Unset: the data directory's folder circuits.",
  }),
  ownerKey: setting({
    env: "AFFIDAVIT_OWNER_KEY",
    schema: z
      .string()
      .regex(/^[0-9a-f]{64}$/, "64 lower-case hex digits")
      .transform((text) => fromHex(text, 32))
      .optional() as z.ZodType<Uint8Array | undefined, string>,
    meaning:
      "Ed25519 public key whose circuit bindings are accepted for models whose manifest names no owner. Unset: on a loopback address the key of owner.key in the configuration folder, which is made there; elsewhere nobody's.",
  }),
  cacheDirectory: setting({
    env: "AFFIDAVIT_CACHE_DIR",
    schema: directory,
    fallback: cacheDirectory,
    shown: "$XDG_CACHE_HOME/affidavit, else ~/.cache/affidavit",
    meaning: "Where `npm run setup:proofs` put the proof system.",
  }),
  provers: setting({
    env: "AFFIDAVIT_PROVERS",
    schema: integer(0, 256),
    fallback: () => String(Math.min(4, Math.max(1, availableParallelism() - 1))),
    shown: "processors less one, from 1 to 4",
    meaning: "Proofs made at once; 0 leaves them to other services on the same database.",
  }),
  workerPolicy: setting({
    env: "AFFIDAVIT_WORKER_POLICY",
    schema: directory.optional() as z.ZodType<string | undefined, string>,
    meaning:
      "An appraisal policy (JSON file): workers elsewhere whose evidence meets it are given the inputs that they prove. Unset: none is.",
  }),
  proofDeadlineMs: setting({
    env: "AFFIDAVIT_PROOF_DEADLINE_MS",
    schema: integer(1000, 30 * 24 * HOUR_MS),
    fallback: String(10 * MINUTE_MS),
    meaning:
      "Promised time from an answer to its proof. One that comes later is not taken: the log says that it expired.",
  }),
  reexecutionDeadlineMs: setting({
    env: "AFFIDAVIT_REEXECUTION_DEADLINE_MS",
    schema: integer(1000, 30 * 24 * HOUR_MS),
    fallback: String(MINUTE_MS),
    meaning: "Promised time from an answer to its re-execution.",
  }),
  reexecutionGraceMs: setting({
    env: "AFFIDAVIT_REEXECUTION_GRACE_MS",
    schema: integer(0, HOUR_MS),
    fallback: "3000",
    meaning:
      "For so long a re-execution is left to services of other keysets than the answer's; then this one's own takes it.",
  }),
  zkAboveMicroUsd: setting({
    env: "AFFIDAVIT_ZK_ABOVE_USD",
    schema: z
      .string()
      .refine((text) => parseUsd(text) !== undefined, "an amount of US dollars such as 1250.50")
      .transform((text) => parseUsd(text)!)
      .optional() as z.ZodType<bigint | undefined, string>,
    meaning: "Value at risk, as a request says it, above which a proof is demanded. Unset: none is.",
  }),
};
