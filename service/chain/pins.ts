/** Requests for code that their requester pinned in the registry, where others take the code that its owner lists. */
import { bytesToHex, type Hex } from "viem";
import { onChain, receiptVerifierAbi } from "../../client/chain/index.ts";
import type { KeptRequest } from "./coordinator.ts";
import { Declined } from "./declined.ts";
import type { WatcherParts } from "./step.ts";

/**
 * The reference value by which the registry has the keyset, and the requester's pins too.
 * @returns undefined where the request asks for no pins
 * @throws Declined `code_not_pinned`
 */
export async function pinnedValue(
  { coordinator, receiptVerifier: address }: Pick<WatcherParts, "coordinator" | "receiptVerifier">,
  { requester, pinnedAtSeconds }: Pick<KeptRequest, "requester" | "pinnedAtSeconds">,
  keysetDigest: Uint8Array,
): Promise<Hex | undefined> {
  if (pinnedAtSeconds === 0) return undefined;
  const { reader } = coordinator.node;
  const registry = { address, abi: receiptVerifierAbi } as const;
  const keyset = bytesToHex(keysetDigest);
  const [, referenceValueId] = await onChain(() =>
    reader.readContract({ ...registry, functionName: "enrolments", args: [keyset] }),
  );
  const args = [requester, keyset, referenceValueId, BigInt(pinnedAtSeconds)] as const;
  const matches = await onChain(() => reader.readContract({ ...registry, functionName: "matchesPin", args }));
  if (!matches) throw new Declined("code_not_pinned");
  return referenceValueId;
}
