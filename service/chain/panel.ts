/**
 * Votes on a panel: commit, wait, reveal, collect. Each step looks at what the chain has and takes the next, so that a crash
 * between two of them loses nothing: the answer is stored before the commitment is sent, and the salt follows from the vault's
 * storage key.
 */
import { bytesToHex, hexToBigInt, size, slice, type Address, type Hex } from "viem";
import { concat, sha256, utf8 } from "../../codec/index.ts";
import { keysetEnd, verifyOnChain, type ContractReceipt } from "../../client/chain/index.ts";
import type { StoredStatement } from "../db/index.ts";
import { coordinatorCall, sameAddress, STATUS, type Panel, type Shown } from "./coordinator.ts";
import { Declined, NotYet } from "./declined.ts";
import { deliveryOf } from "./delivery.ts";
import { accept, type Step, type WatcherParts } from "./step.ts";

const ZK = 4;
/** Time from the reveal of an answer to its delivery, which the keyset must live through as well. */
const KEYSET_MARGIN_SECONDS = 60;
/** Room for a reveal to be seen due, mined, and replaced at a higher price. In less, who asks is after the bonds. */
const LEAST_REVEAL_SECONDS = 600;
/** How long each of those who agree leaves the conclusion to the one before. */
const TURN_SECONDS = 60n;

/** Whether a vote's bond still hangs on its reveal, as blocks that count say: concluded or not. */
export async function mustReveal(
  { coordinator, operator }: WatcherParts,
  requestId: Hex,
  confirmed: bigint,
): Promise<boolean> {
  const vote = await coordinator.vote(requestId, operator, confirmed);
  if (!vote.isCommitted || vote.isRevealed) return false;
  const { revealUntilSeconds } = await coordinator.panel(requestId);
  return (await coordinator.node.nowSeconds()) <= BigInt(revealUntilSeconds);
}

/** Takes the vote's next step. @throws Declined; NotYet what it waits for; what the chain and the vault throw */
export async function advanceVote(parts: WatcherParts, step: Step): Promise<undefined> {
  const { coordinator, operator } = parts;
  const panel = await coordinator.panel(step.requestId);
  if (!panel.operators.some((one) => sameAddress(one, operator))) throw new Declined("not_on_panel");
  const vote = await coordinator.vote(step.requestId, operator);
  const now = await coordinator.node.nowSeconds();
  if (!vote.isCommitted) await commit(parts, step, { panel, now });
  else if (!vote.isRevealed) await reveal(parts, step, { panel, now });
  else await conclude(parts, step, { panel, now });
}

interface Stage {
  panel: Panel;
  /** Of the newest block. */
  now: bigint;
}

async function commit(parts: WatcherParts, step: Step, { panel, now }: Stage): Promise<void> {
  const { coordinator, operator, sender, maxBondWei, onEvent } = parts;
  const { row, requestId, request } = step;
  if (request.status !== STATUS.open || now > BigInt(panel.commitUntilSeconds))
    throw new Declined("commit_missed");
  accept(parts, step, BigInt(panel.threshold));
  if (panel.bond > maxBondWei) throw new Declined("bond_too_high");
  if (panel.revealUntilSeconds - panel.commitUntilSeconds < LEAST_REVEAL_SECONDS)
    throw new Declined("reveal_too_short");
  // What the chain would refuse at the reveal costs the bond: nothing is committed to that cannot be tried before.
  if ((request.assurance & ZK) !== 0) throw new Declined("assurance_unsupported");
  const answer = await step.answer();
  const { receipt } = await deliveryOf(parts, request, answer);
  const { requester, assurance: delivered, pinnedAtSeconds } = request;
  const wanted = { delivered, pinnedAtSeconds: BigInt(pinnedAtSeconds), maxAgeSeconds: 0n };
  await verifyOnChain(coordinator.node.reader, parts.receiptVerifier, requester, receipt, wanted);
  await requireLiving(parts, answer, panel);
  const missing = panel.bond - (await coordinator.stake(operator));
  if (missing > 0n) {
    await sender.send(row.requestId, coordinatorCall(coordinator.address, "stake", [], missing));
    onEvent({ kind: "sent", requestId, step: "stake" });
    return;
  }
  const salt = await saltOf(parts, row.requestId);
  const digest = bytesToHex(answer.digest);
  const commitment = await coordinator.commitmentOfVote(requestId, operator, digest, salt);
  await sender.send(row.requestId, coordinatorCall(coordinator.address, "commit", [requestId, commitment]));
  onEvent({ kind: "sent", requestId, step: "commit" });
}

/** An answer under a keyset that ends before the reveals do could not be revealed. @throws Declined `keyset_ends` */
async function requireLiving(parts: WatcherParts, answer: StoredStatement, panel: Panel): Promise<void> {
  const { coordinator, receiptVerifier } = parts;
  const ends = await keysetEnd(coordinator.node.reader, receiptVerifier, answer.keysetDigest);
  if (ends < BigInt(panel.revealUntilSeconds + KEYSET_MARGIN_SECONDS)) throw new Declined("keyset_ends");
}

async function reveal(parts: WatcherParts, step: Step, { panel, now }: Stage): Promise<void> {
  const { coordinator, sender, onEvent } = parts;
  if (now > BigInt(panel.revealUntilSeconds)) throw new Declined("reveal_missed");
  if (now <= BigInt(panel.commitUntilSeconds)) throw new NotYet("committed");
  // A halt keeps every answer from being revealed, and lets the bond go.
  if (await coordinator.isHalted(parts.receiptVerifier)) return await release(parts, step);
  const { receipt, zkProof } = await deliveryOf(parts, step.request, await step.answer());
  const salt = await saltOf(parts, step.row.requestId);
  const call = coordinatorCall(coordinator.address, "reveal", [receipt, zkProof, salt]);
  await sender.send(step.row.requestId, call);
  onEvent({ kind: "sent", requestId: step.requestId, step: "reveal" });
}

async function release({ coordinator, sender, onEvent }: WatcherParts, step: Step): Promise<void> {
  await sender.send(step.row.requestId, coordinatorCall(coordinator.address, "release", [step.requestId]));
  onEvent({ kind: "sent", requestId: step.requestId, step: "release" });
}

/** Secret until the reveal, and the same whenever it is asked for. */
async function saltOf({ sessions }: WatcherParts, requestId: Uint8Array): Promise<Hex> {
  const context = sha256(concat(utf8("affidavit.v1.chain-vote"), requestId));
  return bytesToHex(await sessions.current().vault.recordKey(context));
}

/** Anyone may conclude: of those who agree the one with the lowest address does, and the next where that one does not. */
async function conclude(parts: WatcherParts, step: Step, { panel, now }: Stage): Promise<void> {
  const { coordinator, operator, sender, onEvent } = parts;
  const { row, requestId, request } = step;
  if (request.status !== STATUS.open) return;
  if (now > BigInt(request.deadlineSeconds)) throw new Declined("deadline_passed");
  if (await someoneMayReveal(parts, requestId, { panel, now })) throw new NotYet("revealed");
  const { receipt } = await deliveryOf(parts, step.request, await step.answer());
  const shown = await coordinator.revealed(requestId, row.block);
  const agreeing = shown
    .filter((one) => agrees(receipt.encodedOutput, one.encodedOutput, panel.tolerance))
    .toSorted((a, b) => (BigInt(a.operator) < BigInt(b.operator) ? -1 : 1));
  if (agreeing.length < panel.threshold) throw new NotYet("panel_disagrees");
  const turn = BigInt(agreeing.findIndex((one) => sameAddress(one.operator, operator)));
  if (now < (await lastReveal(parts, agreeing)) + turn * TURN_SECONDS) throw new NotYet("others_turn");
  const voices = agreeing.filter((one) => !sameAddress(one.operator, operator));
  await sender.send(row.requestId, concludeCall(parts, receipt, voices.slice(0, panel.threshold - 1)));
  onEvent({ kind: "sent", requestId, step: "conclude" });
}

async function someoneMayReveal(
  { coordinator }: WatcherParts,
  requestId: Hex,
  { panel, now }: Stage,
): Promise<boolean> {
  if (now > BigInt(panel.revealUntilSeconds)) return false;
  const votes = await Promise.all(panel.operators.map((one) => coordinator.vote(requestId, one)));
  return votes.some(({ isCommitted, isRevealed }) => isCommitted && !isRevealed);
}

/** Unix time of its block. */
async function lastReveal({ coordinator }: WatcherParts, shown: readonly Shown[]): Promise<bigint> {
  const last = shown.reduce((block, one) => (one.block > block ? one.block : block), 0n);
  const { timestamp } = await coordinator.node.reader.getBlock({ blockNumber: last });
  return timestamp;
}

function concludeCall({ coordinator, operator }: WatcherParts, receipt: ContractReceipt, shown: Shown[]) {
  const voices = shown.map(({ operator: voice, encodedOutput }) => ({ operator: voice, encodedOutput }));
  return coordinatorCall(coordinator.address, "conclude", [receipt, operator as Address, voices]);
}

const WORD = 32;

/** As in OutputAgreement.sol: the same bytes, or each value of abi.encode(int256[]) within the tolerance. */
export function agrees(left: Hex, right: Hex, tolerance: bigint): boolean {
  if (left === right) return true;
  if (tolerance === 0n || size(left) !== size(right) || !isList(left) || !isList(right)) return false;
  for (let offset = 2 * WORD; offset < size(left); offset += WORD) {
    const distance = wordAt(left, offset) - wordAt(right, offset);
    if (distance > tolerance || -distance > tolerance) return false;
  }
  return true;
}

function isList(output: Hex): boolean {
  if (size(output) < 2 * WORD || wordAt(output, 0) !== 32n) return false;
  return BigInt(size(output)) === 64n + 32n * wordAt(output, WORD);
}

function wordAt(output: Hex, offset: number): bigint {
  return hexToBigInt(slice(output, offset, offset + WORD), { signed: true });
}
