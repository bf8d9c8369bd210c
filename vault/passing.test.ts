/** The cluster's keys pass from one running vault to another. What a hostile relay does: `passing.slow.test.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CLUSTER_KEYS_ID, decodeStatement, recoverSigner } from "../receipts/index.ts";
import { VaultClient } from "./client.ts";
import { clusterSecrets } from "./cluster-secrets.test-support.ts";
import type { PassingRelay } from "./join.ts";
import {
  expectRefused,
  giver,
  owner,
  policy,
  receive,
  refusal,
  relayTo,
  type Given,
} from "./passing.test-support.ts";
import { end, openHost } from "./start.ts";
import { newKeyDirectory, start } from "./vault.test-support.ts";

describe("a vault that joins", () => {
  it("gets keys, last checkpoint and policy of one that judged it, which says so; and then works with them", async () => {
    const { vault, directory } = await giver();
    await vault.tendSealingKeys("rotate");
    const document = policy(4, null, { defaultSalt: 9 });
    await vault.changePolicy(document);
    const seen: Given[] = [];
    const received = newKeyDirectory();
    expect(await receive(relayTo(vault, seen), { directory: received })).toBe(true);
    expect(clusterSecrets(received)).toEqual(clusterSecrets(directory));
    for (const file of ["last.checkpoint", "cluster.keys", "vault.policy"])
      expect(readFileSync(join(received, file)), file).toEqual(readFileSync(join(directory, file)));
    const { statement, sealed } = seen[0]!;
    expect(recoverSigner(statement.digest, statement.signature)).toEqual(vault.info.receiptAddress);
    expect(decodeStatement("KeyRelease", statement.words)).toMatchObject({ modelId: CLUSTER_KEYS_ID });
    for (const secret of Object.values(clusterSecrets(directory)))
      expect(Buffer.from(sealed).includes(Buffer.from(secret))).toBe(false);
    const joined = await start(received, [], { owner });
    expect(joined.info.logPublicKey).toEqual(vault.info.logPublicKey);
    expect(joined.info.receiptAddress).not.toEqual(vault.info.receiptAddress);
    expect(await joined.readPolicy()).toMatchObject({ owner, document });
    const id = new Uint8Array(32).fill(7);
    expect(await joined.defaultSalt(id)).toEqual(await vault.defaultSalt(id));
    await joined.close();
    const honest = relayTo(vault);
    await expectRefused("peer_stale", {
      begin: honest.begin,
      async give(nonce, evidence) {
        const given = await honest.give(nonce, evidence);
        return { ...given, sealed: given.sealed.with(40, given.sealed[40]! ^ 1) };
      },
    });
    // One that has keys asks nobody.
    const nobody: PassingRelay = {
      begin: () => Promise.reject(new Error("asked")),
      give: () => Promise.reject(new Error("asked")),
    };
    expect(await receive(nobody, { directory: received })).toBe(false);
  });

  it("takes no keys of a cluster that has no owner, where its own start names one", async () => {
    const { vault } = await giver(newKeyDirectory(), [], null);
    await expectRefused("policy_owner_unknown", relayTo(vault));
  });

  it("does nothing else before it has them, and a vault that has them takes none", async () => {
    const options = { keyDirectory: newKeyDirectory(), attestation: "simulated", log: () => undefined };
    const { child, channel, exited } = openHost(options, { user: undefined, joining: true });
    const client = new VaultClient(channel);
    for (const call of [client.describe(), client.drawTickets(1), client.recordKey(new Uint8Array(32))])
      await expect(call).rejects.toEqual(refusal("cluster_keys_absent"));
    await end(child, channel, exited);
  });
});
