/** The part of a policy that is about SEV-SNP alone. A member that is left out judges nothing, but for `vmpl`. */
import { z } from "zod";
import { hexBytes } from "./policy-values.ts";

function listOf(byteLength: number) {
  return z.array(hexBytes(byteLength)).min(1).max(256).optional();
}

/**
 * One guest that is good: its launch measurement, with what else it was launched with where that matters. The ID
 * block's values come from whoever launched the guest; the firmware checked their signature.
 */
export const snpMeasurement = z.strictObject({
  measurement: hexBytes(48),
  hostData: hexBytes(32).optional(),
  familyId: hexBytes(16).optional(),
  imageId: hexBytes(16).optional(),
  idKeyDigest: hexBytes(48).optional(),
  authorKeyDigest: hexBytes(48).optional(),
  minimumGuestSvn: z.int().min(0).max(0xffff_ffff).optional(),
});
export type SnpMeasurement = z.output<typeof snpMeasurement>;

const byte = z.int().min(0).max(255);

/** Least security version numbers; a part that is left out is not compared. */
const tcb = z.strictObject({
  bootloader: byte.optional(),
  tee: byte.optional(),
  snp: byte.optional(),
  microcode: byte.optional(),
  fmc: byte.optional(),
});

const minimumTcb = z.strictObject({
  reported: tcb.optional(),
  committed: tcb.optional(),
  launch: tcb.optional(),
});

const bit = z.boolean().optional();

/** A 64-bit vector in hex, most significant byte first: its bits must all be set. */
const vector = hexBytes(8).optional();

export const snpPolicy = z.strictObject({
  /** Inline reference values, on the word of the policy's author. */
  measurements: z.array(snpMeasurement).max(256).default([]),
  hostData: listOf(32),
  familyIds: listOf(16),
  imageIds: listOf(16),
  /** SHA-384 of the key that signed the ID block. */
  idKeyDigests: listOf(48),
  /** SHA-384 of the key that certified the ID key. */
  authorKeyDigests: listOf(48),
  reportIds: listOf(32),
  chipIds: listOf(64),
  /** The cloud provider of a VLEK. */
  cspIds: z.array(z.string().min(1).max(256)).min(1).max(64).optional(),
  products: z
    .array(z.enum(["Milan", "Genoa", "Turin"]))
    .min(1)
    .max(3)
    .optional(),
  signingKeys: z
    .array(z.enum(["vcek", "vlek"]))
    .min(1)
    .max(2)
    .optional(),
  /** Bits of the guest policy that must have this value. */
  guestPolicy: z
    .strictObject({
      smtAllowed: bit,
      migrationAgentAllowed: bit,
      singleSocketRequired: bit,
      cxlAllowed: bit,
      memAes256XtsRequired: bit,
      raplDisableRequired: bit,
      ciphertextHidingRequired: bit,
      pageSwapDisabled: bit,
    })
    .optional(),
  /** Least ABI version that the guest demands of the firmware. */
  minimumAbi: z.strictObject({ major: byte, minor: byte }).optional(),
  minimumGuestSvn: z.int().min(0).max(0xffff_ffff).optional(),
  /** Bits of PLATFORM_INFO that must have this value. */
  platformInfo: z
    .strictObject({
      smtEnabled: bit,
      tsmeEnabled: bit,
      eccEnabled: bit,
      raplDisabled: bit,
      ciphertextHidingEnabled: bit,
      aliasCheckComplete: bit,
      tioEnabled: bit,
    })
    .optional(),
  /** Bits of PLATFORM_INFO that no published ABI names: newer firmware sets some. */
  acceptUnknownPlatformBits: z.boolean().default(true),
  /** VMPL that may ask for the report. A report that the host asked for is refused whatever stands here. */
  vmpl: z
    .strictObject({ least: z.int().min(0).max(3), most: z.int().min(0).max(3) })
    .default({ least: 0, most: 3 }),
  /** By product line; a product that is left out is not judged. */
  minimumTcb: z
    .strictObject({
      Milan: minimumTcb.optional(),
      Genoa: minimumTcb.optional(),
      Turin: minimumTcb.optional(),
    })
    .optional(),
  /** Least firmware that the platform has committed to. */
  minimumFirmware: z.strictObject({ major: byte, minor: byte, build: byte }).optional(),
  /** Firmware that runs but is not committed, so that it may still be rolled back. */
  acceptProvisionalFirmware: z.boolean().default(true),
  /** Mitigations verified at launch and now: reports of version 5 name them. */
  mitigations: z.strictObject({ launch: vector, current: vector }).optional(),
});

export type SnpPolicy = z.output<typeof snpPolicy>;
