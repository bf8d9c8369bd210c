import { beforeAll, describe, expect, it } from "vitest";
import { loadProofVerifier } from "../proofs/client.ts";
import { proofCases } from "../test/proof-cases.ts";
import { proofVerdictOf, type ProofCase } from "../test/proof-verdict.ts";
import { createIssuer } from "../test/receipt-fixture.ts";
import type { ProofVerifier } from "./index.ts";

let verifier: ProofVerifier;
let cases: ProofCase[];

beforeAll(async () => {
  verifier = await loadProofVerifier();
  cases = proofCases(await createIssuer(), await createIssuer({ seed: 2 }));
});

const verdict = (name: string) =>
  proofVerdictOf(
    cases.find((one) => one.name === name)!,
    verifier,
  );
const claim = (name: string, what: string) => verdict(name).claims.find((one) => one.claim === what);

describe("a proof bundle", () => {
  it("is accepted as it was made, and refused by an exact code where anything in it is changed", () => {
    const found = cases.map((one) => `${one.name}: ${proofVerdictOf(one, verifier).code}`);
    expect(found).toEqual(cases.map(({ name, code }) => `${name}: ${code}`));
  });

  it("says what was compared, and by whom it can be", () => {
    expect(claim("as it was made", "one input for both commitments")).toMatchObject({
      status: "verified",
      source: "verifier_derived",
    });
    expect(claim("without salt and bodies", "one input for both commitments")).toMatchObject({
      status: "asserted",
      source: "simulated",
    });
    expect(claim("as it was made", "answer against proved output")).toMatchObject({
      status: "verified",
      source: "verifier_derived",
    });
    expect(claim("without salt and bodies", "answer against proved output")).toMatchObject({
      status: "asserted",
      source: "simulated",
    });
  });

  it("never calls a proof under a development SRS verified, nor an owner whom nobody expected", () => {
    expect(claim("as it was made", "proof")).toMatchObject({ status: "unchecked" });
    expect(claim("as it was made", "SRS")).toMatchObject({
      status: "unchecked",
      source: "operator_asserted",
    });
    expect(claim("as it was made", "circuit")).toMatchObject({ status: "asserted" });
    expect(claim("the owner that is expected", "circuit")).toMatchObject({ status: "verified" });
  });

  it("says when the proof came, on the host's word", () => {
    expect(claim("as it was made", "proof delivered")).toMatchObject({
      value: "in time",
      source: "operator_asserted",
    });
    expect(claim("a proof asked for later", "proof delivered")).toMatchObject({ value: "asked for later" });
  });
});
