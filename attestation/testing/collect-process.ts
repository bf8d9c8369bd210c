/** Run by `tee-stand-in.ts`: a line of JSON in, a line of JSON out, one selection at a time. */
import { createInterface } from "node:readline";
import { CollectorError } from "../attest/collector-error.ts";
import type { QuoteDevice } from "../attest/collector.ts";
import { openRtmr3 } from "../attest/measurement-register.ts";
import { parseSelection } from "../attest/selection.ts";

interface Asked {
  selection: string;
  timeoutMs: number;
  reportData: string[];
}

interface Measured {
  register: string;
  digests: string[];
}

function failure(error: unknown): object {
  if (!(error instanceof CollectorError)) throw error;
  return { code: error.code, message: error.message };
}

async function collect({ selection, timeoutMs, reportData }: Asked): Promise<object[]> {
  const [selected] = parseSelection(selection);
  let device: QuoteDevice;
  try {
    device = await selected!.open!({ path: selected!.path, timeoutMs });
  } catch (error) {
    return reportData.map(() => failure(error));
  }
  const outcomes = await Promise.all(
    reportData.map(async (hex) => {
      try {
        const { quote, certificates } = await device.collect(new Uint8Array(Buffer.from(hex, "hex")));
        return {
          type: device.type,
          quote: Buffer.from(quote).toString("base64"),
          certificates: certificates.map((bytes) => Buffer.from(bytes).toString("base64")),
        };
      } catch (error) {
        return failure(error);
      }
    }),
  );
  await device.close();
  return outcomes;
}

/** The register's value before and after the digests. */
async function extend({ register: path, digests }: Measured): Promise<object> {
  try {
    const register = await openRtmr3(path);
    const before = await register.read();
    for (const hex of digests) await register.extend(new Uint8Array(Buffer.from(hex, "hex")));
    const values = [before, await register.read()];
    await register.close();
    return { values: values.map((value) => Buffer.from(value).toString("hex")) };
  } catch (error) {
    return failure(error);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line) as Asked | Measured;
  const answer = "register" in asked ? await extend(asked) : await collect(asked);
  process.stdout.write(JSON.stringify(answer) + "\n");
}
