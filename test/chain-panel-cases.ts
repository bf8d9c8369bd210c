/** Votes on panels by one service; a panel of two that comes to a conclusion is in the slow test. */
import type { Address } from "viem";
import { expect, test } from "vitest";
import { receiptVerifierAbi } from "../client/chain/index.ts";
import { NONE, type AnsweredChain } from "./answered-chain.ts";

const STRANGER: Address = `0x${"0c".repeat(20)}`;

export function panelTests(world: () => AnsweredChain): void {
  const vote = (requestId: string) =>
    world().read<[string, string, string]>("votes", [requestId, world().operator]);

  test(
    "a vote is committed to once, revealed after a crash, and its bond comes free",
    { timeout: 120_000 },
    async () => {
      const operators = [world().operator, STRANGER];
      const panel = { operators, threshold: 2, commitSeconds: 600, revealSeconds: 3600, bond: 700n };
      const requestId = await world().askPanel(panel, { payment: 4n * 10n ** 15n });
      await expect.poll(async () => (await vote(requestId))[0], { timeout: 60_000 }).not.toBe(NONE);
      expect(await world().read("stakes", [world().operator])).toBe(0n);
      const [commitment] = await vote(requestId);
      await world().becomes(requestId, { state: "open", code: "committed" });
      await world().kill();
      await world().pass(601);
      await world().startAgain();
      await expect.poll(async () => (await vote(requestId))[1], { timeout: 60_000 }).not.toBe(NONE);
      expect((await vote(requestId))[0]).toBe(commitment);
      expect(await world().read("stakes", [world().operator])).toBe(700n);
      // Nobody else voted: there is no conclusion, and the payment goes back.
      await world().becomes(requestId, { state: "open", code: "panel_disagrees" });
    },
  );

  test(
    "a bond comes free while a halt keeps the answer from being revealed",
    { timeout: 90_000 },
    async () => {
      const operators = [world().operator, STRANGER];
      const panel = { operators, threshold: 2, commitSeconds: 600, revealSeconds: 3600, bond: 600n };
      const staked = await world().read<bigint>("stakes", [world().operator]);
      const requestId = await world().askPanel(panel, { payment: 4n * 10n ** 15n });
      await expect.poll(async () => (await vote(requestId))[0], { timeout: 60_000 }).not.toBe(NONE);
      const halt = (halted: boolean) =>
        world().write(world().deployment.receiptVerifier, receiptVerifierAbi, "setHalted", [halted]);
      await halt(true);
      await world().pass(601);
      await world().becomes(requestId, { state: "declined", code: "commit_missed" });
      await halt(false);
      expect(await vote(requestId)).toEqual([NONE, NONE, NONE]);
      expect(await world().read("stakes", [world().operator])).toBe(staked > 600n ? staked : 600n);
    },
  );

  test("a panel that is not worth it is declined", { timeout: 90_000 }, async () => {
    const panel = {
      operators: [world().operator, STRANGER],
      threshold: 2,
      commitSeconds: 900,
      revealSeconds: 900,
    };
    const declined = async (changes: object, payment: bigint, code: string) => {
      const requestId = await world().askPanel({ ...panel, ...changes }, { payment });
      await world().becomes(requestId, { state: "declined", code });
      expect((await vote(requestId))[0]).toBe(NONE);
    };
    await declined({ bond: 1001n }, 4n * 10n ** 15n, "bond_too_high");
    // Each of two gets half of it.
    await declined({}, 2n * 10n ** 15n - 1n, "payment_too_low");
    // Nobody could reveal in time: the requester is after the bond.
    await declined({ revealSeconds: 599, bond: 1n }, 4n * 10n ** 15n, "reveal_too_short");
    // Over before it is deep enough in the chain.
    world().stopMining();
    const late = await world().askPanel({ ...panel, commitSeconds: 4 }, { payment: 4n * 10n ** 15n });
    await world().pass(8);
    world().keepMining();
    await world().becomes(late, { state: "declined", code: "commit_missed" });
  });
}
