/** The part of a policy that is about dstack guests alone. A member that is left out judges nothing. */
import { z } from "zod";
import { hexBytes } from "./policy-values.ts";

export const dstackPolicy = z.strictObject({
  /** SHA-256 of the compose files that may run; where present, it is the app's part of code identity. */
  composeHashes: z.array(hexBytes(32)).max(256).optional(),
  appIds: z.array(hexBytes(20)).max(256).optional(),
  /** Digests of the operating system's image, as the guest measured its own at boot. */
  osImageHashes: z.array(hexBytes(32)).max(256).optional(),
});
