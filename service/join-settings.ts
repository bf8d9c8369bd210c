/** Settings of how a vault gets and keeps its cluster's keys. */
import { z } from "zod";
import { directory, setting } from "./setting.ts";

export const JOIN_SETTINGS = {
  keyWrap: setting({
    env: "AFFIDAVIT_KEY_WRAP",
    schema: z.string().regex(/^(none|dstack(:\/[^,]{1,99})?)$/, "none or dstack"),
    fallback: "none",
    meaning:
      "What the vault's key file is sealed under: dstack (the application's own key by GetKey; its socket's path behind a colon), so that a copy of it opens on instances of this application alone; none.",
  }),
  joinUrl: setting({
    env: "AFFIDAVIT_JOIN",
    schema: z
      .url({ protocol: /^https?$/, error: "an http or https URL" })
      .max(2048)
      .optional() as z.ZodType<string | undefined, string>,
    meaning:
      "A running service whose vault gives this one the cluster's keys at its first start, after each judged the other's evidence. Unset: an empty vault folder gets keys of its own. See docs/operate/keys.md.",
  }),
  joinKey: setting({
    env: "AFFIDAVIT_JOIN_KEY",
    schema: z
      .string()
      .regex(/^[\x21-\x7e]{16,256}$/, "an API key")
      .optional() as z.ZodType<string | undefined, string>,
    meaning: "An API key of that service's operator, with the scope admin.",
  }),
  joinPolicy: setting({
    env: "AFFIDAVIT_JOIN_POLICY",
    schema: directory.optional() as z.ZodType<string | undefined, string>,
    meaning:
      "A vault policy that the owner signed, whose peers this vault may take keys from. Unset: from a vault of the same image alone.",
  }),
};
