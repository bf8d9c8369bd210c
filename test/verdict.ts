/** One receipt's verdict from its JSON texts, the same in Node and in a browser. */
import { verifyReceipt } from "../client/index.ts";
import type { ClientPolicy, Verification } from "../client/index.ts";
import { fromHex } from "../codec/index.ts";
import { parseBundle, parsePrivatePart, ReceiptError } from "../receipts/index.ts";

/** Plain JSON, so that it travels into a page. */
export interface VerdictCase {
  name: string;
  bundle: string;
  privatePart?: string;
  policy?: ClientPolicy;
  nowMs: number;
  /** Hex of the audience that is expected. */
  audience?: string;
  /** What the verdict must be; `ok` where it must be accepted. */
  code: string;
}

export function verdictOf(one: VerdictCase): Pick<Verification, "verdict" | "code" | "claims"> {
  try {
    const { nowMs, policy = { allowSimulated: true }, audience } = one;
    return verifyReceipt(parseBundle(one.bundle), {
      now: new Date(nowMs),
      policy,
      privatePart: one.privatePart === undefined ? undefined : parsePrivatePart(one.privatePart),
      ...(audience === undefined ? {} : { expect: { audience: fromHex(audience, 32) } }),
    });
  } catch (error) {
    // Parsing refuses with a typed error; any other is a fault that must fail the test.
    if (!(error instanceof ReceiptError)) throw error;
    return { verdict: "rejected", code: error.code, claims: [] };
  }
}
