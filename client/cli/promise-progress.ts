/** Waits for a proof or a re-execution, and shows how far it is. */
import { setTimeout as sleep } from "node:timers/promises";
import { fromUtf8 } from "../../codec/index.ts";
import { MAX_PROOF_BUNDLE_LENGTH } from "../../proofs/client.ts";
import { objectOf, readObject, textMember } from "./admin.ts";
import { RefusedError } from "./command.ts";
import { printable } from "./output.ts";
import type { Transport } from "../transport.ts";

export interface PromiseEnd {
  id: string;
  state: string;
  /** In units of 10^-9; null where nothing was compared. */
  difference: string | null;
  /** The service's word: whether another keyset than the answer's signed the outcome. */
  anotherKeyset: boolean;
}

interface Promised {
  kind: "proof" | "reexecution";
  id: string;
}

const POLL_MS = 300;
const PATHS = { proof: "/v1/proofs", reexecution: "/v1/reexecutions" } as const;
/** How much of the bar each stage has filled when it begins. */
const FILLED: Record<string, number> = { queued: 0, witness: 1, prove: 2, run: 5, verify: 9 };
const BAR = 10;

/**
 * @returns how it ended, where that is what was hoped for
 * @throws RefusedError with what it ended as: `disagrees`, `incomparable`, `expired`, `cancelled`, or why it failed; AffidavitError
 */
export async function awaitPromise(transport: Transport, { kind, id }: Promised): Promise<PromiseEnd> {
  const bar = progressBar(kind === "proof" ? "proof" : "re-execution");
  try {
    for (;;) {
      const seen = readObject(await transport.send(`${PATHS[kind]}/${id}`, {}));
      const state = textMember(seen, "state");
      if (state !== "waiting" && state !== "running") return ended(seen, id, state);
      bar.show(typeof seen["stage"] === "string" ? seen["stage"] : "queued");
      await sleep(POLL_MS);
    }
  } finally {
    bar.clear();
  }
}

function ended(seen: Record<string, unknown>, id: string, state: string): PromiseEnd {
  if (state === "delivered") {
    const { difference, anotherKeyset } = objectOf(seen["outcome"]);
    return {
      id,
      state,
      difference: typeof difference === "string" ? difference : null,
      anotherKeyset: anotherKeyset === true,
    };
  }
  const why = typeof seen["code"] === "string" ? seen["code"] : state;
  throw new RefusedError(printable(why), `it ended as ${printable(state)}: ${id}`);
}

/** JSON text of a delivered proof's bundle: not verified here. */
export async function fetchProofBundle(transport: Transport, id: string): Promise<string> {
  const { body } = await transport.send(`/v1/proofs/${id}/bundle`, { maxBytes: MAX_PROOF_BUNDLE_LENGTH });
  return fromUtf8(body);
}

/** On a terminal's standard error alone: machines get nothing. */
function progressBar(what: string): { show(stage: string): void; clear(): void } {
  const { stderr } = process;
  if (!stderr.isTTY) return { show: () => {}, clear: () => {} };
  return {
    show(stage) {
      const filled = FILLED[stage] ?? 0;
      const bar = "#".repeat(filled) + ".".repeat(BAR - filled);
      stderr.write(`\r\u001b[K${what} [${bar}] ${printable(stage, 20)}`);
    },
    clear: () => void stderr.write("\r\u001b[K"),
  };
}
