/** Settings of the chain: what is anchored and answered there, and what the chain key may spend. */
import { z } from "zod";
import { directory, HOUR_MS, integer, publicUrl, setting } from "./setting.ts";

/** Ether among tokens. */
const ETHER = `0x${"00".repeat(20)}`;
const MAX_TOKENS = 16;

const weiOrNone = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,26})$/, "a whole number of wei")
  .transform((text) => BigInt(text));
const wei = z
  .string()
  .regex(/^[1-9][0-9]{0,26}$/, "a whole number of wei")
  .transform((text) => BigInt(text));
const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, "0x and 40 hex digits")
  .transform((text) => text.toLowerCase() as `0x${string}`);

/** `ether=10000000000000,0x<token>=1000000` as least payments by lower-case address. */
const prices = z
  .string()
  .max(2048)
  .refine(
    (text) => text.split(",").every((entry) => /^(ether|0x[0-9a-fA-F]{40})=[0-9]{1,28}$/.test(entry.trim())),
    "ether=WEI or 0xTOKEN=AMOUNT, separated by commas",
  )
  .transform(
    (text) =>
      new Map(
        text.split(",").map((entry): [string, bigint] => {
          const [token, amount] = entry.trim().split("=") as [string, string];
          return [token === "ether" ? ETHER : token.toLowerCase(), BigInt(amount)];
        }),
      ),
  )
  .refine((list) => list.size <= MAX_TOKENS, `at most ${MAX_TOKENS} tokens`);

export const CHAIN_SETTINGS = {
  chainDeployment: setting({
    env: "AFFIDAVIT_CHAIN_DEPLOYMENT",
    schema: directory.optional() as z.ZodType<string | undefined, string>,
    meaning:
      "The file that affidavit chain deploy wrote: the log's heads are anchored there. Unset: no chain. See docs/operate/chain.md.",
  }),
  chainRpcUrl: setting({
    env: "AFFIDAVIT_CHAIN_RPC_URL",
    schema: publicUrl.optional() as z.ZodType<string | undefined, string>,
    meaning: "JSON-RPC endpoint of the deployment's chain.",
  }),
  chainAnchorIntervalMs: setting({
    env: "AFFIDAVIT_CHAIN_ANCHOR_INTERVAL_MS",
    schema: integer(1000, 30 * 24 * HOUR_MS),
    fallback: String(HOUR_MS),
    meaning: "Least time between two anchors of a growing log.",
  }),
  chainMaxWeiPerTransaction: setting({
    env: "AFFIDAVIT_CHAIN_MAX_WEI_PER_TRANSACTION",
    schema: wei,
    fallback: "5000000000000000",
    meaning:
      "What one transaction of the chain key may cost at most, in wei: the vault signs nothing dearer.",
  }),
  chainMaxWeiPerHour: setting({
    env: "AFFIDAVIT_CHAIN_MAX_WEI_PER_HOUR",
    schema: wei,
    fallback: "20000000000000000",
    meaning: "What the chain key's transactions of an hour may cost at most, in wei.",
  }),
  chainPrices: setting({
    env: "AFFIDAVIT_CHAIN_PRICES",
    schema: prices.optional() as z.ZodType<Map<string, bigint> | undefined, string>,
    meaning:
      "The least payment by token, such as ether=20000000000000,0x<token>=1000000 in wei and the token's smallest unit. Delivery's gas is this service's to pay; requests that pay less, or otherwise, are left to be refunded. Unset: no request is answered.",
  }),
  chainConfirmations: setting({
    env: "AFFIDAVIT_CHAIN_CONFIRMATIONS",
    schema: integer(0, 1000),
    fallback: "12",
    meaning: "Blocks that must lie above a block before it counts.",
  }),
  chainPollMs: setting({
    env: "AFFIDAVIT_CHAIN_POLL_MS",
    schema: integer(50, HOUR_MS),
    fallback: "4000",
    meaning: "Time between two looks at the chain.",
  }),
  chainMaxCallbackGas: setting({
    env: "AFFIDAVIT_CHAIN_MAX_CALLBACK_GAS",
    schema: integer(0, 10_000_000),
    fallback: "500000",
    meaning: "Most gas that a request may ask for its callback.",
  }),
  chainMaxBondWei: setting({
    env: "AFFIDAVIT_CHAIN_MAX_BOND_WEI",
    schema: weiOrNone,
    fallback: "0",
    meaning:
      "The highest bond of a panel that is voted on, in wei; it is put up from the chain key's account, within its limits, and lost where a vote cannot be revealed in time. With 0 votes that cost nothing are cast alone, and what was put up comes back.",
  }),
  chainPayee: setting({
    env: "AFFIDAVIT_CHAIN_PAYEE",
    schema: address.optional() as z.ZodType<`0x${string}` | undefined, string>,
    meaning:
      "Who gets what was earned, by withdrawals that the vault signs to this address alone; the chain key's own account is one too, and pays for gas. Unset: it stays in the coordinator.",
  }),
  chainPayouts: setting({
    env: "AFFIDAVIT_CHAIN_PAYOUTS",
    schema: prices.optional() as z.ZodType<Map<string, bigint> | undefined, string>,
    meaning:
      "From how much on what was earned is withdrawn, by token, such as ether=10000000000000000,0x<token>=100000000.",
  }),
};
