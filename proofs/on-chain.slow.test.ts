/** What the compiler says of generated verifiers. */
import { expect, it } from "vitest";
import { keySource, madeOf, verifierSource } from "./testing/generated.ts";

it("a verifier that no chain takes, or no compiler, is refused by name", { timeout: 120_000 }, async () => {
  expect(await madeOf(verifierSource(""), keySource("12", "40"))).toBe("reusable");
  expect(await madeOf(verifierSource(""), keySource("12", "6000"))).toBe("reusable");
  expect(await madeOf(verifierSource(""), null)).toBe("whole");
  expect(await madeOf("contract V {", null)).toBe("prover_failed");
  expect(await madeOf("contract V {} contract W {}", null)).toBe("prover_failed");
  const stores = Array.from({ length: 800 }, (_, i) => `sstore(${i}, 0x${String(i).padStart(64, "7")})`);
  expect(await madeOf(verifierSource(stores.join(" ")), null)).toBe("verifier_too_large");
});
