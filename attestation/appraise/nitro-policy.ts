/** The part of a policy that is about Nitro Enclaves alone. A member that is left out judges nothing. */
import { z } from "zod";
import { hexBytes } from "./policy-values.ts";

const pcr = hexBytes(48).optional();

/**
 * One enclave that is good, by its PCRs. PCR 0 measures the whole image, PCR 8 who signed it: one of them must be
 * there, or a match would not speak for the code.
 */
export const nitroMeasurement = z
  .strictObject({
    pcr0: pcr,
    pcr1: pcr,
    pcr2: pcr,
    pcr3: pcr,
    pcr4: pcr,
    pcr8: pcr,
  })
  .refine(({ pcr0, pcr8 }) => pcr0 !== undefined || pcr8 !== undefined, "expected pcr0 or pcr8");
export type NitroMeasurement = z.output<typeof nitroMeasurement>;

function boundedHex(maxByteLength: number) {
  return z
    .string()
    .max(maxByteLength * 2)
    .regex(/^[0-9a-fA-F]*$/, "expected hex")
    .refine((text) => text.length % 2 === 0, "expected whole bytes in hex");
}

export const nitroPolicy = z.strictObject({
  /** Inline reference values, on the word of the policy's author. */
  measurements: z.array(nitroMeasurement).max(256).default([]),
  /** Registers that must have this value whichever measurement matches, by index "0" to "31", in hex. */
  pcrs: z.record(z.string().regex(/^(?:[0-9]|[12][0-9]|3[01])$/), boundedHex(64)).optional(),
  nonce: boundedHex(1024).optional(),
  userData: boundedHex(1024).optional(),
  publicKey: boundedHex(1024).optional(),
  /** Oldest document accepted, by the hypervisor's clock; one from more than 5 minutes ahead is then refused too. */
  maximumAgeSeconds: z
    .int()
    .min(0)
    .max(2 ** 31)
    .optional(),
});
