/** The chaos test, whose length its callers choose. */
import { expect, onTestFinished, test } from "vitest";
import { Chaos, chooseSeed, drawVictims, inexcusable, type Victim } from "./chaos.ts";
import { stillRunning } from "./service-tree.ts";

export function chaosTest(kills: number, from: readonly Victim[], timeoutMs: number): void {
  test(
    `${kills} kills: every receipt that a caller holds is in the log, verifies offline and appears once`,
    async () => {
      const seed = chooseSeed();
      console.info(`CHAOS_SEED=${seed}`);
      const chaos = new Chaos(seed);
      onTestFinished(() => chaos.end());
      await chaos.begin();
      for (const victim of drawVictims(seed, kills, from)) console.info(await chaos.strike(victim));
      const outcome = await chaos.settle();
      const { audit, faults } = await chaos.judge();
      console.info(
        `${outcome.held.length} receipts held, ${audit.size} leaves, ${audit.keysets} keysets, ${audit.checkpoints} checkpoints; refusals:`,
        Object.fromEntries(outcome.told),
      );
      expect(faults).toEqual([]);
      expect(inexcusable(outcome)).toEqual([]);
      expect(outcome.held.length).toBeGreaterThan(10 * kills);
      const tree = [...chaos.trees.values()];
      await chaos.service.stop();
      expect(stillRunning(tree)).toEqual([]);
    },
    timeoutMs,
  );
}
