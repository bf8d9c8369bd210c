/**
 * Which interfaces to try: names separated by commas, in order, each perhaps with its path behind a colon. `auto` stands
 * for all of hardware, `tdx` and `sev-snp` for those that give such evidence.
 */
import { AttestationError } from "../error.ts";
import type { EvidenceType } from "../appraise/appraisal.ts";
import type { CollectorOptions, QuoteDevice } from "./collector.ts";
import { CONFIGFS_TSM, openConfigfsTsm } from "./configfs-tsm.ts";
import { DSTACK, openDstack } from "./dstack.ts";
import { NITRO_NSM, openNitroNsm } from "./nitro-nsm.ts";
import { openSevGuest, SEV_GUEST } from "./sev-guest.ts";
import { openTdxGuest, TDX_GUEST } from "./tdx-guest.ts";

export type Opener = (options: CollectorOptions) => Promise<QuoteDevice>;

export interface Selected {
  readonly name: string;
  readonly path: string | undefined;
  /** What it must give; undefined where anything is right. */
  readonly type: EvidenceType | undefined;
  /** Undefined for the simulated one, which needs no interface. */
  readonly open: Opener | undefined;
}

/** In the order of `auto`. */
const OPENERS: ReadonlyMap<string, Opener> = new Map<string, Opener>([
  [CONFIGFS_TSM, openConfigfsTsm],
  [TDX_GUEST, openTdxGuest],
  [SEV_GUEST, openSevGuest],
  [DSTACK, openDstack],
  [NITRO_NSM, openNitroNsm],
]);
export const INTERFACE_NAMES = [...OPENERS.keys()];
export const SIMULATED = "simulated";

const ALIASES: ReadonlyMap<string, readonly [readonly string[], EvidenceType | undefined]> = new Map([
  ["auto", [INTERFACE_NAMES, undefined]],
  ["tdx", [[CONFIGFS_TSM, TDX_GUEST], "tdx"]],
  ["sev-snp", [[CONFIGFS_TSM, SEV_GUEST], "sev-snp"]],
]);

const MAX_ITEMS = 8;
const MAX_PATH_LENGTH = 100;

/** The simulated one is there by name alone, never in `auto`. @throws AttestationError `attester_unavailable` */
export function parseSelection(text: string): Selected[] {
  const items = text.split(",");
  if (items.length > MAX_ITEMS) throw unknown("too many interfaces are named");
  return items.flatMap(parseItem);
}

function parseItem(item: string): Selected[] {
  const colon = item.indexOf(":");
  const name = colon < 0 ? item : item.slice(0, colon);
  const path = colon < 0 ? undefined : item.slice(colon + 1);
  if (path !== undefined && (!path.startsWith("/") || path.length > MAX_PATH_LENGTH)) {
    throw unknown("an interface's path is not absolute, or too long");
  }
  const alias = ALIASES.get(name);
  if (alias && path === undefined) {
    const [names, type] = alias;
    return names.map((each) => ({ name: each, path: undefined, type, open: OPENERS.get(each) }));
  }
  if (name === SIMULATED && path === undefined) {
    return [{ name, path, type: undefined, open: undefined }];
  }
  const open = OPENERS.get(name);
  if (!open)
    throw unknown(
      `no interface is called ${JSON.stringify(name.slice(0, 32))}: ${[...ALIASES.keys(), ...INTERFACE_NAMES, SIMULATED].join(", ")} are known`,
    );
  return [{ name, path, type: undefined, open }];
}

function unknown(message: string): AttestationError {
  return new AttestationError("attester_unavailable", message);
}
