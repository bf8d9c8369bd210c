/** What a call of the SDK was refused with. */
import { expect } from "vitest";
import { AffidavitError } from "../client/index.ts";

/** Code and the code below it, or `none`; every error of the client says what to do. */
export async function refusal(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
    return "none";
  } catch (error) {
    if (!(error instanceof AffidavitError)) throw error;
    expect(error.advice.length).toBeGreaterThan(10);
    return error.detail === undefined ? error.code : `${error.code} ${error.detail}`;
  }
}
