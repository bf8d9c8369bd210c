/** Contracts that ask for more than a receipt get it: a proof that the chain verifies, a proof or re-execution on an enclave's word. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesToHex, decodeFunctionData, hexToBytes, parseAbi, type Address, type Hex } from "viem";
import { toHex } from "../codec/index.ts";
import {
  CONTRACT_ERRORS,
  deliveredAnswer,
  inferenceCoordinatorAbi,
  onChain,
  requestStatus,
  type OnChainAnswer,
  type RequestStatus,
} from "../client/chain/index.ts";
import { chainCircuit } from "../client/cli/commands/chain-circuit.ts";
import { chainRequest } from "../client/cli/commands/chain-request.ts";
import { chainWatch } from "../client/cli/commands/chain-watch.ts";
import { jsonLine, runCommand } from "../client/cli/testing/run-command.ts";
import { circuitSalt, commitInput, type Circuit } from "../proofs/client.ts";
import { hasProver, WITHOUT_PROVER } from "../proofs/testing/prover.ts";
import { PAYMENT, startChainService, type ChainService } from "./chain-service.ts";
import { askBy, exampleInputs, modelIdOf, PROOF, REEXECUTION, ZK, type Asked } from "./consumer.ts";

const MODEL = "breast-cancer";
const EXAMPLE = new URL(`../models/zoo/${MODEL}/example.json`, import.meta.url).pathname;
const TRIAGE = parseAbi(["function decisions(bytes32 requestId) view returns (uint8)"]);
const REFER = 1;
const inputs = exampleInputs(MODEL);

let at: ChainService;
let circuit: Circuit;
let triage: Address;
let terms: { tee: Asked; proved: Asked };

const status = (requestId: Hex) => requestStatus(at.chain.reader, at.coordinator, requestId);
const ends = (requestId: Hex, wanted: RequestStatus) =>
  expect.poll(() => status(requestId), { timeout: 120_000, interval: 250 }).toBe(wanted);
const answerTo = async (requestId: Hex) =>
  (await deliveredAnswer(at.chain.reader, at.coordinator, requestId, 0n))!;
const decisionOf = (requestId: Hex) =>
  at.chain.reader.readContract({
    address: triage,
    abi: TRIAGE,
    functionName: "decisions",
    args: [requestId],
  });

beforeAll(async () => {
  if (!hasProver) return;
  at = await startChainService({ proving: true });
  circuit = at.circuit!;
  triage = (await at.chain.deploy("Triage", [at.coordinator])).address;
  const modelId = await modelIdOf(at.service.url, MODEL);
  const { circuits } = (await (await fetch(`${at.service.url}/v1/circuits`)).json()) as {
    circuits: { modelId: Hex; policyDigest: Hex }[];
  };
  const { policyDigest } = circuits.find((one) => one.modelId === modelId)!;
  const circuitInput = bytesToHex(commitInput(circuit, inputs, circuitSalt(new Uint8Array(32))));
  terms = {
    tee: { modelId, policyDigest: at.offer.policies.tee, assurance: 0 },
    proved: { modelId, policyDigest, assurance: ZK, circuitInput },
  };
}, 900_000);
afterAll(() => at?.stop());

const cli = () => ["--deployment", at.file, "--rpc", at.chain.url, "--json"];
const from = () => ["--from", at.chain.writer.wallet.account.address, "--url", at.service.url];

/** As `deliver` would end in the block before the delivery, when the request was open. */
async function deliverAgain({ block, receipt }: OnChainAnswer, zkProof: Hex): Promise<string> {
  const abi = [...inferenceCoordinatorAbi, ...CONTRACT_ERRORS];
  const call = { address: at.coordinator, abi, functionName: "deliver", args: [receipt, zkProof] };
  return await onChain(() =>
    at.chain.reader.simulateContract({ ...call, blockNumber: block - 1n, gas: 8_000_000n } as never),
  ).then(
    () => "delivered",
    (error: { detail?: string }) => error.detail ?? "reverted",
  );
}

async function zkProofOf({ transaction }: OnChainAnswer): Promise<Hex> {
  const { input } = await at.chain.reader.getTransaction({ hash: transaction });
  return decodeFunctionData({ abi: inferenceCoordinatorAbi, data: input }).args![1] as Hex;
}

function flippedAt(hex: Hex, byte: number): Hex {
  const bytes = hexToBytes(hex);
  bytes[byte]! ^= 1;
  return bytesToHex(bytes);
}

describe.skipIf(!hasProver)(`a contract's request for more than a receipt${WITHOUT_PROVER}`, () => {
  it(
    "is not answered while the chain knows no such circuit, and is once it does",
    { timeout: 300_000 },
    async () => {
      const { requestId } = await askBy(at, triage, terms.proved, inputs);
      await expect
        .poll(() => at.service.output(), { timeout: 60_000 })
        .toContain('"detail":"circuit_unknown"');
      expect(await status(requestId)).toBe("open");
      const admitted = await runCommand(chainCircuit, [
        toHex(circuit.circuitId).slice(0, 12),
        "--data-dir",
        at.directory,
        ...from(),
        ...cli(),
      ]);
      expect([admitted.status, jsonLine(admitted.stdout)]).toMatchObject([0, { ok: true }]);
      await ends(requestId, "delivered");
      expect(await decisionOf(requestId)).toBe(REFER);
      const again = await runCommand(chainCircuit, [
        toHex(circuit.circuitId),
        "--data-dir",
        at.directory,
        "--reusable",
        ...from(),
        ...cli(),
      ]);
      expect(jsonLine(again.stdout)).toMatchObject({ ok: false, code: "circuit_registered" });
    },
  );

  it("is paid for the proof alone, and for nothing that was changed", { timeout: 300_000 }, async () => {
    const { requestId } = await askBy(at, triage, terms.proved, inputs);
    await ends(requestId, "delivered");
    const answer = await answerTo(requestId);
    expect(answer).toMatchObject({ called: true, operator: at.offer.operator });
    expect(answer.receipt!.statement).toMatchObject({ promised: 1, circuitInput: terms.proved.circuitInput });
    const zkProof = await zkProofOf(answer);
    expect(await deliverAgain(answer, zkProof)).toBe("delivered");
    expect(await deliverAgain(answer, "0x")).not.toBe("delivered");
    // Every 97th byte: circuit, lengths, points, evaluations, instances.
    for (let byte = 0; byte < hexToBytes(zkProof).length; byte += 97)
      expect(await deliverAgain(answer, flippedAt(zkProof, byte)), `byte ${byte}`).not.toBe("delivered");
  });

  it.each([
    ["a proof", PROOF, "proofs"],
    ["a re-execution", REEXECUTION, "reexecutions"],
  ] as const)("gets %s on an enclave's word", { timeout: 300_000 }, async (_, assurance, member) => {
    const proof = assurance === PROOF;
    const asked = proof ? terms.proved : { ...terms.tee, policyDigest: at.offer.policies.reexecution };
    const { requestId } = await askBy(at, triage, { ...asked, assurance }, inputs);
    await ends(requestId, "delivered");
    const answer = await answerTo(requestId);
    const receipt = answer.receipt!;
    expect([receipt.proofs.length, receipt.reexecutions.length]).toEqual(proof ? [1, 0] : [0, 1]);
    expect(await deliverAgain({ ...answer, receipt: { ...receipt, [member]: [] } }, "0x")).toBe(
      "delivery_missing",
    );
    const [shown] = receipt[member];
    for (const [name, value] of Object.entries(shown!.statement)) {
      const changed =
        typeof value === "string" ? flippedAt(value, 31) : typeof value === "bigint" ? value ^ 1n : value ^ 1;
      const statement = { ...shown!.statement, [name]: changed };
      const other = { ...receipt, [member]: [{ ...shown!, statement }] };
      const end = await deliverAgain({ ...answer, receipt: other as typeof receipt }, "0x");
      expect(["delivery_invalid", "signer_mismatch", "signature_invalid"], name).toContain(end);
    }
  });

  it("is declined where it is not what the circuit's input gives", { timeout: 120_000 }, async () => {
    const wrong = { ...terms.proved, circuitInput: flippedAt(terms.proved.circuitInput!, 31) };
    const { requestId } = await askBy(at, triage, wrong, inputs);
    await expect.poll(() => at.service.output(), { timeout: 60_000 }).toContain("circuit_input_mismatch");
    expect(await status(requestId)).toBe("open");
    expect(await decisionOf(requestId)).toBe(0);
  });

  it("is a person's, by the command", { timeout: 300_000 }, async () => {
    const payment = ["--payment", String(PAYMENT), "--assurance", "tee+zk"];
    const asked = await runCommand(chainRequest, [MODEL, EXAMPLE, ...payment, ...from(), ...cli()]);
    const { requestId, ...rest } = jsonLine(asked.stdout) as { requestId: Hex };
    expect([asked.status, rest]).toMatchObject([0, { ok: true }]);
    const watched = await runCommand(chainWatch, [requestId, "--timeout-seconds", "120", ...cli()]);
    expect(jsonLine(watched.stdout)).toMatchObject({ ok: true, status: "delivered" });
  });
});
