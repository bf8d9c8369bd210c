/** Settings of where models come from, and what tenants may bring. */
import { resolve } from "node:path";
import { z } from "zod";
import { brokerUrlSchema } from "../models/index.ts";
import { directory, integer, setting } from "./setting.ts";

const MIB = 1024 * 1024;
const pemFiles = z
  .string()
  .min(1)
  .max(16_384)
  .transform((text) => text.split(",").map((file) => resolve(file.trim())));
const brokerUrls = z
  .string()
  .max(16_384)
  .transform((text) => text.split(",").map((url) => url.trim()))
  .pipe(z.array(brokerUrlSchema));

export const MODEL_SETTINGS = {
  modelsDirectory: setting({
    env: "AFFIDAVIT_MODELS_DIR",
    schema: directory.optional() as z.ZodType<string | undefined, string>,
    meaning: "A folder of models besides the built-in zoo. Unset: the data directory's folder models.",
  }),
  modelSigners: setting({
    env: "AFFIDAVIT_MODEL_SIGNERS",
    schema: pemFiles.optional() as z.ZodType<string[] | undefined, string>,
    meaning:
      "PEM files of public keys, separated by commas: each model of the folder must then be signed by one of them. Unset: no signature is asked for.",
  }),
  modelQuotaBytes: setting({
    env: "AFFIDAVIT_MODEL_QUOTA_BYTES",
    schema: integer(0, 16_777_216 * MIB),
    fallback: String(8192 * MIB),
    meaning: "Bytes of sealed weights that one tenant may upload; 0 takes no uploads.",
  }),
  modelBrokers: setting({
    env: "AFFIDAVIT_MODEL_BROKERS",
    schema: brokerUrls.optional() as z.ZodType<string[] | undefined, string>,
    meaning:
      "Addresses of key brokers that uploaded models may name, separated by commas: the service sends requests there. Unset: on a loopback address brokers on this machine, else none.",
  }),
};
