/** Three kills under load; `npm run test:slow` has twenty. */
import { describe } from "vitest";
import { chaosTest } from "./chaos-case.ts";

describe.skipIf(process.platform !== "linux")("kill -9 under load (processes are found in /proc)", () => {
  chaosTest(3, ["service", "vault", "postgres"], 60_000);
});
