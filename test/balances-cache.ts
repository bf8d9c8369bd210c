/** A cache folder that holds the addon, and ends with its test: each cluster's public keys are 34 MB there. */
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { addonDirectory } from "../balances/addon.ts";
import { CACHE } from "../balances/testing/addon.ts";

export function balancesCache(folder: string): string {
  const cache = join(folder, "cache");
  const built = addonDirectory(CACHE);
  const link = join(cache, "balances", basename(built));
  mkdirSync(join(cache, "balances"), { recursive: true });
  if (!existsSync(link)) symlinkSync(built, link);
  return cache;
}
