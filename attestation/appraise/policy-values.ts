/** The value forms of policies and reference values. */
import { z } from "zod";
import { CodecError, fromBase64, fromHex } from "../../codec/index.ts";
import { parseIsoSeconds } from "../parse/iso-time.ts";

/** Bytes in hex, either case, without prefix. */
export function hexBytes(byteLength: number) {
  return z
    .string()
    .length(byteLength * 2)
    .transform((text, context) => {
      try {
        if (!text.startsWith("0x")) return fromHex(text, byteLength);
      } catch (error) {
        if (!(error instanceof CodecError)) throw error;
      }
      context.addIssue({ code: "custom", message: `expected ${byteLength} bytes in hex` });
      return z.NEVER;
    });
}

/** Bytes in canonical base64. */
export function base64(maxByteLength: number) {
  return z
    .string()
    .max(Math.ceil(maxByteLength / 3) * 4)
    .transform((text, context) => {
      try {
        return fromBase64(text);
      } catch (error) {
        if (!(error instanceof CodecError)) throw error;
        context.addIssue({ code: "custom", message: "expected base64" });
        return z.NEVER;
      }
    });
}

/** `YYYY-MM-DDThh:mm:ssZ`, read as seconds since 1970. */
export const isoSeconds = z
  .string()
  .max(20)
  .transform((text, context) => {
    const seconds = parseIsoSeconds(text);
    if (seconds !== undefined) return seconds;
    context.addIssue({ code: "custom", message: "expected a time as YYYY-MM-DDThh:mm:ssZ" });
    return z.NEVER;
  });

/**
 * One TD that is good: firmware (mrTd), its configuration (rtmr0), kernel and command line (rtmr1, rtmr2) at least,
 * so that a match speaks for the whole image.
 */
export const tdxMeasurement = z.strictObject({
  mrTd: hexBytes(48),
  rtmr0: hexBytes(48),
  rtmr1: hexBytes(48),
  rtmr2: hexBytes(48),
  rtmr3: hexBytes(48).optional(),
  mrConfigId: hexBytes(48).optional(),
  mrOwner: hexBytes(48).optional(),
  mrOwnerConfig: hexBytes(48).optional(),
  mrSeam: hexBytes(48).optional(),
});
export type TdxMeasurement = z.output<typeof tdxMeasurement>;

/** One enclave that is good: by its code, or by its signer, product and least SVN. */
export const sgxMeasurement = z.union([
  z.strictObject({ mrEnclave: hexBytes(32) }),
  z.strictObject({
    mrSigner: hexBytes(32),
    isvProdId: z.int().min(0).max(65_535),
    minimumIsvSvn: z.int().min(0).max(65_535),
  }),
]);
export type SgxMeasurement = z.output<typeof sgxMeasurement>;
