/** The cluster's keys on their way from one running vault to another, by a relay that does what it likes. */
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { describe, expect, it } from "vitest";
import { equal } from "../codec/index.ts";
import {
  endorsements,
  expectRefused,
  giver,
  OTHER_IMAGE,
  policy,
  receive,
  refusal,
  relayTo,
  SAME,
} from "./passing.test-support.ts";
import type { Vault } from "./start.ts";

const TIMEOUT_MS = 180_000;

describe("keys are refused", () => {
  it(
    "to whom did not begin, and a second time",
    async () => {
      const { vault } = await giver();
      const honest = relayTo(vault);
      let asked: Parameters<Vault["giveClusterKeys"]>[0] | undefined;
      await receive({
        begin: honest.begin,
        give(nonce, evidence) {
          asked = { nonce, peer: { ...evidence, endorsements } };
          return honest.give(nonce, evidence);
        },
      });
      await expect(vault.giveClusterKeys(asked!)).rejects.toEqual(refusal("passing_unknown"));
      await expectRefused("passing_unknown", {
        begin: async () => new Uint8Array(32).fill(9),
        give: honest.give,
      });
    },
    TIMEOUT_MS,
  );

  it(
    "for evidence of another passing, and for another key than it names",
    async () => {
      const { vault } = await giver();
      const honest = relayTo(vault);
      // The relay's own key, in place of the joining vault's.
      await expectRefused("peer_stale", {
        begin: (asked) => honest.begin({ ...asked, hpkeKey: x25519.keygen().publicKey }),
        give: honest.give,
      });
      await expectRefused("peer_stale", {
        begin: (asked) => honest.begin({ ...asked, nonce: new Uint8Array(32).fill(3) }),
        give: honest.give,
      });
      // Evidence that was made for an earlier nonce.
      let nonces: Uint8Array[] = [];
      await expectRefused("peer_stale", {
        begin: async (asked) => {
          nonces = [await honest.begin(asked), await honest.begin(asked)];
          return nonces[0]!;
        },
        give: (_, evidence) => honest.give(nonces[1]!, evidence),
      });
      await expectRefused("peer_refused", {
        begin: honest.begin,
        give: (nonce, evidence) => honest.give(nonce, { ...evidence, quote: evidence.quote.subarray(1) }),
      });
    },
    TIMEOUT_MS,
  );

  it(
    "to an image that the owner's policy does not accept, and to a simulated TEE under a policy for hardware",
    async () => {
      const { vault, lines } = await giver();
      await vault.changePolicy(policy(1, OTHER_IMAGE));
      await expectRefused("peer_measurement_unknown", relayTo(vault));
      expect(lines.join()).toContain("measurement_mismatch");
      await vault.changePolicy(policy(2, { formatVersion: 1, codeIdentity: "reported" }));
      await expectRefused("peer_simulated", relayTo(vault));
      await vault.changePolicy(policy(3, { ...SAME, roots: ["simulated"] }));
      expect(await receive(relayTo(vault))).toBe(true);
      await vault.changePolicy(policy(4, null, { giveClusterKeys: 0 }));
      await expectRefused("limit_reached", relayTo(vault));
      await expect(vault.changePolicy(policy(5, { formatVersion: 2 } as never))).rejects.toEqual(
        refusal("policy_invalid"),
      );
    },
    TIMEOUT_MS,
  );
});

describe("keys are not taken", () => {
  it(
    "where the relay changed them, or put others in their place",
    async () => {
      const [{ vault }, other] = [await giver(), await giver()];
      const honest = relayTo(vault);
      await expectRefused("peer_stale", {
        begin: honest.begin,
        async give(nonce, evidence) {
          const given = await honest.give(nonce, evidence);
          return { ...given, sealed: given.sealed.with(40, given.sealed[40]! ^ 1) };
        },
      });
      // Another cluster's keys, sealed to the same vault, with the evidence of the one that was asked.
      let key = new Uint8Array(32);
      await expectRefused("peer_stale", {
        begin(asked) {
          key = Uint8Array.from(asked.hpkeKey);
          return honest.begin(asked);
        },
        async give(nonce, evidence) {
          const given = await honest.give(nonce, evidence);
          const mine = x25519.keygen();
          expect(equal(mine.publicKey, key)).toBe(false);
          const forged = Uint8Array.from(given.sealed);
          forged.set(mine.publicKey);
          return { ...given, sealed: forged };
        },
      });
      // Both from a vault that was not asked by these nonces.
      await expectRefused("passing_unknown", { begin: honest.begin, give: relayTo(other.vault).give });
      await expectRefused("peer_refused", {
        begin: honest.begin,
        async give(nonce, evidence) {
          const { sealed, peer } = await honest.give(nonce, evidence);
          return { sealed, peer: { ...peer, endorsements: "{}" } };
        },
      });
    },
    TIMEOUT_MS,
  );

  it(
    "from an image that the owner's policy does not accept, from hardware by a simulated one, or of another owner",
    async () => {
      const { vault } = await giver();
      await expectRefused("peer_measurement_unknown", relayTo(vault), { text: policy(1, OTHER_IMAGE) });
      await expectRefused("peer_simulated", relayTo(vault), { text: policy(1, { formatVersion: 1 }) });
      await expectRefused("peer_policy_missing", relayTo(vault), { text: policy(1, null) });
      await expectRefused("policy_invalid", relayTo(vault), { text: "{}" });
      const stranger = ed25519.getPublicKey(new Uint8Array(32).fill(6));
      await expectRefused("policy_owner_unknown", relayTo(vault), { by: stranger });
      await expectRefused("policy_owner_unknown", relayTo(vault), {
        by: stranger,
        text: policy(1, SAME as never),
      });
      expect(await receive(relayTo(vault), { text: policy(1, { ...SAME, roots: ["simulated"] }) })).toBe(
        true,
      );
    },
    TIMEOUT_MS,
  );
});
