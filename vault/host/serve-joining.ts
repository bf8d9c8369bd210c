/** The process of a vault that gets its cluster's keys, and does nothing else. */
import type { Attester } from "../../attestation/attest/index.ts";
import type { Frame, Reply } from "../../ipc/index.ts";
import { VaultError } from "../error.ts";
import { OPERATIONS, type OperationName } from "../wire/operations.ts";
import { hasClusterKeys, saveCluster } from "./cluster.ts";
import type { KeyWrap } from "./key-wrap.ts";
import type { PassedKeys } from "./passed-keys.ts";
import { Joining } from "./joining.ts";
import { readPeerPolicy } from "./policy.ts";
import { serveHandlers, type Handlers } from "./serve.ts";

interface Parts {
  attester: Attester;
  owner: Uint8Array | undefined;
  /** Under which the key file is sealed; undefined for as it is. */
  wrap: KeyWrap | undefined;
  nowMs: () => number;
  log: (line: string) => void;
}

export async function serveJoining({
  attester,
  owner,
  wrap,
  nowMs,
  log,
}: Parts): Promise<(frame: Frame) => Reply | Promise<Reply>> {
  if (await hasClusterKeys()) throw new VaultError("joining_off");
  const { type, simulated } = attester;
  const quoteFor = async (reportData: Uint8Array) => {
    try {
      return { type, ...(await attester.collect(reportData)) };
    } catch (cause) {
      log(`quote failed: ${cause instanceof Error ? cause.message : "unknown reason"}`);
      throw new VaultError("quote_failed", { cause });
    }
  };
  const save = (passed: PassedKeys) => saveCluster(passed, wrap);
  const joining = new Joining({ quoteFor, simulated, owner, readPeerPolicy, save, nowMs, log });
  const absent = Object.fromEntries(
    (Object.keys(OPERATIONS) as OperationName[]).map((name) => [name, refuseAbsent]),
  ) as unknown as Handlers;
  return serveHandlers(
    {
      ...absent,
      beginJoining: () => joining.begin(),
      quoteJoining: ({ nonce }) => joining.quote(nonce),
      async finishJoining(end) {
        await joining.finish(end);
        return {};
      },
    },
    log,
    () => undefined,
  );
}

function refuseAbsent(): never {
  throw new VaultError("cluster_keys_absent");
}
