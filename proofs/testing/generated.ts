/** Verifiers in the form in which EZKL generates them, as far as they are looked at before they are compiled. */
import { makeVerifier } from "../index.ts";

export const keySource = (firstByte: string, length: string): string =>
  `contract K { constructor() { assembly { mstore(0x0000, 0x${firstByte}${"11".repeat(31)}) return(0, 0x${length}) } } }`;

export const verifierSource = (body: string): string =>
  `contract V { fallback() external { assembly { ${body} } } }`;

/** @returns the form that was made, or the code of the refusal */
export async function madeOf(verifier: string, key: string | null): Promise<string> {
  const form = key === null ? "whole" : "reusable";
  const system = { onChainVerifier: async () => ({ form, verifier, key }) as const };
  return await makeVerifier(system, {} as never, form).then(
    (made) => made.form,
    (error: { code: string }) => error.code,
  );
}
