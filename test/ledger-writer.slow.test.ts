/** Two hundred encrypted operations through the ledger's writer beside plain numbers, most of which fall over in the middle. */
import { describe, expect, it } from "vitest";
import { ADDON, WITHOUT } from "../balances/testing/addon.ts";
import { ed25519Owner, secp256k1Owner } from "../balances/testing/owners.ts";
import { runDesk } from "./ledger-model.ts";
import { fheEngine, LedgerDesk } from "./ledger-writer.ts";

describe.skipIf(!ADDON)(`the ledger's writer at length${WITHOUT}`, () => {
  it(
    "keeps encrypted balances equal to plain numbers over two hundred operations, falling over at each point of each kind",
    { timeout: 3_600_000 },
    async () => {
      const desk = await LedgerDesk.open(await fheEngine(ADDON!));
      const owners = [secp256k1Owner("alice"), ed25519Owner("bob"), secp256k1Owner("carol")];
      for (const by of owners) await desk.begin(by);
      const begunMs = performance.now();
      const onOperation = (index: number) => {
        const seconds = Math.round((performance.now() - begunMs) / 1000);
        if (index % 20 === 0) process.stderr.write(`${index} operations after ${seconds} s\n`);
      };
      const { crashes } = await runDesk(desk, { owners, operations: 200, seed: 2, onOperation });
      expect(Math.min(...Object.values(crashes))).toBeGreaterThan(5);
      await desk.close();
    },
  );
});
