/** Where a model comes from and whom it pays, as its manifest says it: whoever signed the manifest vouches for it, nobody else. Browser-safe. */
import { z } from "zod";

const MAX_DATASETS = 64;
const MAX_PAYEES = 16;
const WHOLE_BASIS_POINTS = 10_000;

const line = (maximum: number) =>
  z
    .string()
    .min(1)
    .max(maximum)
    .refine((text) => text.isWellFormed(), "not well-formed Unicode")
    .regex(/^[^\p{Cc}]*$/u, "one line of text");
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "sha256: and 64 lower-case hex digits");
const webAddress = z.url({ protocol: /^https$/ }).max(2048);

/** SPDX licence expression. */
export const licenceText = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9.+() -]+$/, "an SPDX expression");

const datasetSchema = z.strictObject({
  name: line(200),
  digest,
  licence: licenceText.optional(),
  url: webAddress.optional(),
});

const payeeSchema = z.strictObject({
  /** CAIP-10: `eip155:1:0x…`. */
  account: z
    .string()
    .regex(/^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}:[-.%a-zA-Z0-9]{1,128}$/, "a CAIP-10 account id"),
  /** Of 10,000. */
  shareBasisPoints: z.int().min(1).max(WHOLE_BASIS_POINTS),
});

export const provenanceSchema = z
  .strictObject({
    /** Who owns the model, in words; the manifest's `owner` is their key. */
    owner: z.strictObject({ name: line(200), url: webAddress.optional() }).optional(),
    trainingData: z
      .array(datasetSchema)
      .min(1)
      .max(MAX_DATASETS)
      .refine((list) => new Set(list.map((one) => one.digest)).size === list.length, "a digest appears twice")
      .optional(),
    trainingLog: z.strictObject({ digest, url: webAddress.optional() }).optional(),
    payees: z
      .array(payeeSchema)
      .min(1)
      .max(MAX_PAYEES)
      .refine(
        (list) => new Set(list.map(({ account }) => account)).size === list.length,
        "an account appears twice",
      )
      .refine(
        (list) =>
          list.reduce((sum, { shareBasisPoints }) => sum + shareBasisPoints, 0) === WHOLE_BASIS_POINTS,
        "shares add up to 10,000 basis points",
      )
      .optional(),
  })
  .refine((members) => Object.values(members).some((value) => value !== undefined), "says nothing");

export type Provenance = z.infer<typeof provenanceSchema>;
