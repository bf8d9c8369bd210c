/** What a ZK proof costs on chain: the recorded proof of the zoo's breast-cancer, by verifiers generated here from its verifying key. */
import { bytesToBigInt, bytesToHex, encodeFunctionData, parseAbi, zeroAddress, type Hex } from "viem";
import { zkInferenceVerifierAbi } from "../client/chain/index.ts";
import type { VerifierForm } from "../proofs/index.ts";
import { startAnvil } from "../test/anvil.ts";
import { temporaryDirectory } from "../test/folder.ts";
import { NOW_MS } from "../test/receipt-fixture.ts";
import { admit, argumentsOf, deployZk, provedCall, recordedVerifiers, zkRequest } from "../test/zk-chain.ts";
import { costOf, figures, GAS, repeated } from "./gas-receipt.ts";
import { figure, type Figure } from "./report.ts";

/** What `verifyProof` took for an MLP of 1,089 parameters, whose proofs have 4,416 bytes; ours has 641, and 3,840. */
const AIM = 723_500;
const HALO2 = parseAbi([
  "function verifyProof(bytes proof, uint256[] instances)",
  "function verifyProof(address key, bytes proof, uint256[] instances)",
]);

function halo2Data(key: Hex | undefined): Hex {
  const { proof, instances } = provedCall();
  const given = [bytesToHex(proof), instances.map((bytes) => bytesToBigInt(bytes.toReversed()))] as const;
  return key === undefined
    ? encodeFunctionData({ abi: HALO2, functionName: "verifyProof", args: given })
    : encodeFunctionData({ abi: HALO2, functionName: "verifyProof", args: [key, ...given] });
}

/**
 * `halo2_mlp`: the generated verifier alone. `.checked`: all that `ZkInferenceVerifier` asks of the proof, the verifier within.
 * `.deliver`: the delivery of an answer with its proof, without callback. `_reusable`: the verifier for all circuits with its key apart.
 */
export async function proofGas(): Promise<Figure[]> {
  const chain = await startAnvil({ nowSeconds: NOW_MS / 1000 });
  const folder = temporaryDirectory();
  try {
    const codes = await recordedVerifiers(folder.path);
    const of = async (form: VerifierForm, name: string): Promise<Figure[]> => {
      const zk = await deployZk(chain);
      const { place, steps, sent } = await admit(zk, codes[form]);
      const { address: forwarder } = await chain.deploy("Forwarder", []);
      const subject = { chain, forwarder };
      const alone = halo2Data(place.key);
      const checked = encodeFunctionData({
        abi: zkInferenceVerifierAbi,
        functionName: "requireProof",
        args: argumentsOf(provedCall()),
      });
      const verified = await repeated(() => costOf(subject, place.verifier, alone));
      const required = await repeated(() =>
        costOf(subject, zk.deployment.zkInferenceVerifier ?? zeroAddress, checked),
      );
      const coordinator = zk.deployment.inferenceCoordinator ?? zeroAddress;
      const delivered = await repeated(async (run) => {
        const { request, deliver } = await zkRequest(zk, forwarder, BigInt(run));
        await costOf(subject, coordinator, request);
        return await costOf(subject, coordinator, deliver());
      });
      const deployed = steps.reduce((sum, { gasUsed }) => sum + Number(gasUsed), 0);
      return [
        ...figures(name, verified, AIM),
        ...figures(`${name}.checked`, required),
        ...figures(`${name}.deliver`, delivered),
        figure(`${name}.deploy`, [deployed], GAS),
        figure(`${name}.register`, [Number(sent.gasUsed)], GAS),
      ];
    };
    return [...(await of("whole", "halo2_mlp")), ...(await of("reusable", "halo2_mlp_reusable"))];
  } finally {
    folder.remove();
    await chain.stop();
  }
}
