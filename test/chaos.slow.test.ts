/** Twenty kills under load, every kind of process four times. */
import { describe } from "vitest";
import { chaosTest } from "./chaos-case.ts";
import { VICTIMS } from "./chaos.ts";

describe.skipIf(process.platform !== "linux")("kill -9 under load (processes are found in /proc)", () => {
  chaosTest(20, VICTIMS, 900_000);
});
