/** The part of a policy that is about Azure's vTPM alone. A member that is left out judges nothing. */
import { z } from "zod";
import { hexBytes } from "./policy-values.ts";

export const azureVtpmPolicy = z.strictObject({
  /** PCRs of the SHA-256 bank that must have this value, by index "0" to "23". */
  pcrs: z.record(z.string().regex(/^(?:[0-9]|1[0-9]|2[0-3])$/), hexBytes(32)).optional(),
  /** Whether the paravisor must say that secure boot is on. */
  requireSecureBoot: z.boolean().default(false),
});
