/** What two services carry between their vaults in a passing of the cluster's keys: JSON, bytes in base64. */
import { z } from "zod";
import { fromBase64, toBase64 } from "../codec/index.ts";

const base64 = (bytes: number) =>
  z
    .string()
    .max(Math.ceil(bytes / 3) * 4)
    .regex(/^[A-Za-z0-9+/]*={0,2}$/)
    .refine((text) => text.length % 4 === 0, "whole groups of base64")
    .transform((text, context) => {
      try {
        return fromBase64(text);
      } catch {
        context.addIssue({ code: "custom", message: "not base64" });
        return z.NEVER;
      }
    });
const bytes32 = base64(32).refine((bytes) => bytes.length === 32, "32 bytes");

/** One vault's evidence, with what its service fetched beside it. */
export const peerSchema = z.strictObject({
  type: z.string().max(64),
  quote: base64(128 * 1024),
  /** JSON text. */
  endorsements: z.string().max(500_000),
});
export const challengeSchema = z.strictObject({ nonce: bytes32, hpkeKey: bytes32 });
export const challengeAnswerSchema = z.strictObject({ nonce: bytes32 });
export const releaseSchema = z.strictObject({ nonce: bytes32, peer: peerSchema });
export const releaseAnswerSchema = z.strictObject({ sealed: base64(64 * 1024), peer: peerSchema });

/** Of one message. */
export const MAX_PASSING_BYTES = 1024 * 1024;

/** JSON with bytes in base64. */
export function passingText(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    member instanceof Uint8Array ? toBase64(member) : member,
  );
}
