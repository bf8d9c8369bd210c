/** A transfer that left is on its way in the transaction of its entry: the receiver's operation and its job. */
import { randomUUID } from "node:crypto";
import { requestOf } from "../../balances/index.ts";
import { toHex0x } from "../../codec/index.ts";
import { addLedgerOperation } from "../db/index.ts";
import type { JobQueue } from "../jobs/index.ts";
import { encodePayload } from "./wish.ts";
import type { WriterParts } from "./writer.ts";

export function arrivals(jobs: Pick<JobQueue, "send">): WriterParts["onEntry"] {
  return async (client, { account, sequence }, operand, tenantId) => {
    if (operand.operation !== "transferOut") return;
    const to = requestOf(operand).request.subject;
    const wish = {
      operation: "transferIn",
      from: toHex0x(account),
      sequence: sequence.toString(),
      taken: operand.taken,
    } as const;
    const id = randomUUID();
    await addLedgerOperation(client, { id, tenantId, account: to, operation: "transferIn" });
    await jobs.send("settle", encodePayload({ account: toHex0x(to), wish }), { id, within: client });
  };
}
