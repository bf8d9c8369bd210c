/** What a page runs: the SDK and its verifications, as a browser gets them. */
import { AffidavitError, createClient, type ClientPolicy } from "../client/index.ts";
import { floats } from "./tensors.ts";
import { verdictOf, type VerdictCase } from "./verdict.ts";

export interface Asked {
  policy: ClientPolicy;
  nowMs: number;
  binary: boolean;
}

export interface Page {
  verdicts(cases: VerdictCase[]): string[];
  infer(asked: Asked): Promise<{ code: string; outputs: number[][] }>;
}

const page: Page = {
  verdicts: (cases) => cases.map((one) => verdictOf(one).code),
  async infer({ policy, nowMs, binary }) {
    const client = createClient({ url: location.origin, policy, now: () => new Date(nowMs) });
    try {
      const input = floats(
        "x",
        Array.from({ length: 30 }, (_, i) => i / 4),
      );
      const { outputs, verification } = await client.infer("fixture", [input], { binary });
      const numbers = outputs.map(({ data }) => [...new Float32Array(data.slice().buffer)]);
      return { code: verification.code, outputs: numbers };
    } catch (error) {
      if (!(error instanceof AffidavitError)) throw error;
      return { code: error.detail ?? error.code, outputs: [] };
    }
  },
};
Object.assign(globalThis, { page });
