/** What expires is erased at the start and once an hour: a service that is started often must not keep it for ever. */
import type { Logger } from "pino";
import {
  expireOpenings,
  expireReservations,
  removeExpiredLinks,
  removeExpiredNonces,
  removeExpiredPlaces,
  type Database,
} from "../db/index.ts";

const INTERVAL_MS = 3_600_000;

/** @returns how to stop it */
export function startHousekeeping(
  database: Database,
  log: Logger,
  expireUploads: () => Promise<number>,
): () => Promise<void> {
  const start = () => sweep(database, log, expireUploads);
  let running = start();
  const timer = setInterval(() => (running = start()), INTERVAL_MS);
  return async () => {
    clearInterval(timer);
    await running;
  };
}

async function sweep(database: Database, log: Logger, expireUploads: () => Promise<number>): Promise<void> {
  try {
    const answers = await expireReservations(database);
    const links = await removeExpiredLinks(database, new Date());
    const now = new Date();
    await removeExpiredPlaces(database, now);
    // An hour later: a replica whose clock is behind still takes the request.
    await removeExpiredNonces(database, new Date(now.getTime() - INTERVAL_MS));
    const uploads = await expireUploads();
    const openings = await expireOpenings(database);
    log.info({ answers, links, uploads, openings }, "expired records erased");
  } catch (error) {
    log.warn({ err: error }, "expired records could not be erased");
  }
}
