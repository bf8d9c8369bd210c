/** Settings of encrypted balances. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { DEFAULT_THREADS, parseOwner, type Owner } from "../balances/index.ts";
import { directory, integer, setting, type Environment, type Setting } from "./setting.ts";

function userCacheDirectory(environment: Environment): string {
  const base = environment["XDG_CACHE_HOME"];
  return join(base && isAbsolute(base) ? base : join(homedir(), ".cache"), "affidavit");
}

const owner = z
  .string()
  .regex(/^(secp256k1:0x[0-9a-f]{40}|ed25519:0x[0-9a-f]{64})$/, "secp256k1:0x<address> or ed25519:0x<key>")
  .transform((text) => parseOwner(text));

export const BALANCES_SETTINGS = {
  balancesOperator: setting({
    env: "AFFIDAVIT_BALANCES_OPERATOR",
    schema: owner.optional() as z.ZodType<Owner | undefined, string>,
    meaning:
      "Turns encrypted balances on, and says whose vouchers and freezes count: secp256k1:0x<address> or ed25519:0x<public key>. See docs/operate/balances.md.",
  }),
  balancesPrices: setting({
    env: "AFFIDAVIT_PRICES",
    schema: directory.optional() as z.ZodType<string | undefined, string>,
    meaning:
      "File of the price list that the service's owner signed (affidavit ledger prices): turns allowances on. See docs/operate/balances.md.",
  }),
  balancesThreads: setting({
    env: "AFFIDAVIT_BALANCES_THREADS",
    schema: integer(1, 64),
    fallback: String(DEFAULT_THREADS),
    meaning:
      "Threads of one homomorphic operation. Part of every entry's execution record: another number makes older entries incomparable here.",
  }),
  balancesWorkers: setting({
    env: "AFFIDAVIT_BALANCES_WORKERS",
    schema: integer(0, 16),
    fallback: "2",
    meaning:
      "Operations on balances at one time in this process; 0 leaves them to affidavit worker --kind settle.",
  }),
  cacheDirectory: setting({
    env: "AFFIDAVIT_CACHE_DIR",
    schema: directory,
    fallback: userCacheDirectory,
    shown: "$XDG_CACHE_HOME/affidavit, else ~/.cache/affidavit",
    meaning: "Where npm run setup:balances left the addon, and where FHE public keys are kept by digest.",
  }),
} satisfies Record<string, Setting<unknown>>;
