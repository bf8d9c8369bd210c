/** Settings of who administers the installation. */
import { z } from "zod";
import { BalanceError, parseOwner, type Owner } from "../balances/client.ts";
import { setting } from "./setting.ts";

const MAX_KEYS = 32;

const owners = z
  .string()
  .max(4096)
  .transform((text, context) => {
    try {
      return text.split(",").map((one) => parseOwner(one.trim()));
    } catch (error) {
      if (!(error instanceof BalanceError)) throw error;
      context.addIssue({ code: "custom", message: `keys separated by commas: ${error.message}` });
      return z.NEVER;
    }
  })
  .refine((list) => list.length <= MAX_KEYS, `at most ${MAX_KEYS} keys`);

export const ADMIN_SETTINGS = {
  adminKeys: setting({
    env: "AFFIDAVIT_ADMIN_KEYS",
    schema: owners.optional() as z.ZodType<Owner[] | undefined, string>,
    meaning:
      "Public keys of those who administer tenants and models by signed requests (affidavit admin), separated by commas: secp256k1:0x<address> or ed25519:0x<public key>. Unset: on a loopback address with a simulated TEE the configuration folder's admin.key, else nobody's.",
  }),
};
