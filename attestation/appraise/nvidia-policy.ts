/** The part of a policy that is about NVIDIA devices alone. A member that is left out judges nothing. */
import { z } from "zod";
import { base64 } from "./policy-values.ts";

const version = z.string().min(1).max(64);

export const nvidiaPolicy = z.strictObject({
  /** Roots of reference manifests: NVIDIA's pinned one, or a certificate (DER in base64). */
  rimRoots: z
    .array(z.union([z.literal("hardware"), z.strictObject({ certificate: base64(16_384) })]))
    .min(1)
    .max(16)
    .default(["hardware"]),
  /** `required`: every certificate that names a responder must come with a good, current OCSP status. */
  ocsp: z.enum(["reported", "required"]).default("reported"),
  /** `required`: every report must name the firmware that its leaf was issued for. */
  firmwareIdentity: z.enum(["reported", "required"]).default("reported"),
  driverVersions: z.array(version).max(256).optional(),
  /** In lower case. */
  vbiosVersions: z.array(version).max(256).optional(),
  /** Single device, several devices, or several devices over a protected bus. */
  confidentialModes: z
    .array(z.enum(["SPT", "MPT", "PPCIE"]))
    .max(3)
    .optional(),
});
