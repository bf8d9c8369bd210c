/** Verifying keys that no chain takes: refused before anything is compiled. Real ones are in test/zk-chain.test.ts. */
import { expect, it } from "vitest";
import { keySource, madeOf, verifierSource } from "./testing/generated.ts";

it.each([
  ["that starts as code of another format does", keySource("ef", "40"), "verifier_unsuitable"],
  ["larger than a contract's code", keySource("12", "6020"), "verifier_too_large"],
  ["of another form", "contract K {}", "prover_failed"],
])("a key %s is refused by name", async (_, key, code) => {
  expect(await madeOf(verifierSource(""), key)).toBe(code);
});
