/** Settings of how the requests of contracts are answered. */
import { z } from "zod";
import { HOUR_MS, integer, setting } from "./setting.ts";

/** Ether among tokens. */
const ETHER = `0x${"00".repeat(20)}`;
const MAX_TOKENS = 16;

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
};
