/** What the compiler says of generated verifiers. */
import { expect, it } from "vitest";
import { makeVerifier, type VerifierForm } from "./index.ts";
import { keySource, madeOf, verifierSource } from "./testing/generated.ts";

/** Some 29,000 bytes of code. */
const LARGE = verifierSource(
  Array.from({ length: 800 }, (_, i) => `sstore(${i}, 0x${String(i).padStart(64, "7")})`).join(" "),
);

it("a verifier that no chain takes, or no compiler, is refused by name", { timeout: 120_000 }, async () => {
  expect(await madeOf(verifierSource(""), keySource("12", "40"))).toBe("reusable");
  expect(await madeOf(verifierSource(""), keySource("12", "6000"))).toBe("reusable");
  expect(await madeOf(verifierSource(""), null)).toBe("whole");
  expect(await madeOf("contract V {", null)).toBe("prover_failed");
  expect(await madeOf("contract V {} contract W {}", null)).toBe("prover_failed");
  expect(await madeOf(LARGE, null)).toBe("verifier_too_large");
});

it("a circuit whose verifier is too large gets the one for all circuits", { timeout: 120_000 }, async () => {
  const sources = {
    whole: { form: "whole", verifier: LARGE, key: null },
    reusable: { form: "reusable", verifier: verifierSource(""), key: keySource("12", "40") },
  } as const;
  const system = { onChainVerifier: async (_: unknown, form: VerifierForm) => sources[form] };
  expect(await makeVerifier(system, {} as never)).toMatchObject({ form: "reusable" });
});
