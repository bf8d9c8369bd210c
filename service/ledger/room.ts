/** How much may wait. */
import { countWaitingOperations, type Database } from "../db/index.ts";
import { ServiceError } from "../problem.ts";

/** Operations of a tenant that have not ended. */
const MAX_WAITING = 1000;

/**
 * Several at once may pass the limit by a few: it bounds storage, nothing else.
 * @throws ServiceError `ledger_operation_limit`
 */
export async function requireRoom(database: Database, tenantId: string): Promise<void> {
  if ((await countWaitingOperations(database, tenantId)) >= MAX_WAITING)
    throw new ServiceError("ledger_operation_limit");
}
