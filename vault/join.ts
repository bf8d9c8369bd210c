/** Gets the cluster's keys for a key directory that has none, from a running vault elsewhere; the service carries what they say. */
import { Caller } from "./caller.ts";
import { VaultError } from "./error.ts";
import { asSomeUser, end, openHost, within, type VaultOptions } from "./start.ts";
import type { OwnEvidence, PassingAsked, PeerEvidence } from "./wire/passing.ts";

/** What the service asks the other one, which is not believed: the vault believes evidence. */
export interface PassingRelay {
  /** @returns the giving vault's nonce: 32 bytes */
  begin(asked: PassingAsked): Promise<Uint8Array>;
  /** @returns the sealed keys, and the giving vault's evidence */
  give(nonce: Uint8Array, evidence: OwnEvidence): Promise<{ sealed: Uint8Array; peer: PeerEvidence }>;
}

/** The other side has its own time limits. */
const JOIN_TIMEOUT_MS = 120_000;

class JoiningVault extends Caller {
  /** @param policy the owner's signed text, or null for peers of the same image alone */
  async join(relay: PassingRelay, policy: string | null): Promise<void> {
    const nonce = await relay.begin(await this.call("beginJoining", {}));
    const { sealed, peer } = await relay.give(nonce, await this.call("quoteJoining", { nonce }));
    await this.call("finishJoining", { sealed, peer, policy });
  }
}

/**
 * @returns whether it got them; false where the key directory has cluster keys already
 * @throws VaultError why the vault did not start or did not believe the other one; what the relay throws
 */
export async function joinCluster(
  options: VaultOptions,
  relay: PassingRelay,
  policy: string | null,
): Promise<boolean> {
  return await asSomeUser(options, async (user) => {
    const { child, channel, exited } = openHost(options, { user, joining: true });
    try {
      await within(JOIN_TIMEOUT_MS, new JoiningVault(channel).join(relay, policy));
      return true;
    } catch (error) {
      if (error instanceof VaultError && error.code === "joining_off") return false;
      throw error;
    } finally {
      await end(child, channel, exited);
    }
  });
}
