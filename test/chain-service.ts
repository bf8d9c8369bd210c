/** A chain with the contracts on it, and a service that answers their requests. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesToHex, type Address, type Hex } from "viem";
import {
  attestedReferenceValue,
  chainSource,
  deployContracts,
  deploymentToJson,
  registerKeyset,
  type Deployment,
} from "../client/chain/index.ts";
import { loadCircuit, type Circuit } from "../proofs/index.ts";
import { proverCache } from "../proofs/testing/prover.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { buildContracts } from "./contracts-build.ts";
import { temporaryDirectory } from "./folder.ts";
import { command, zooCircuit } from "./prover-fixture.ts";
import { startService, type RunningService } from "./service-process.ts";

export const PAYMENT = 10n ** 15n;
/** What the operator's account has for gas. */
const FUNDS = 10n ** 18n;
const START_TIMEOUT_MS = 120_000;
const BLOCK_MS = 250;

/** `GET /v1/chain`, as far as it is used. */
interface Offer {
  operator: Address;
  policies: { tee: Hex; reexecution: Hex };
}

export interface ChainService {
  chain: Chain;
  service: RunningService;
  deployment: Deployment;
  coordinator: Address;
  offer: Offer;
  /** Holds the circuit in its folder circuits. */
  directory: string;
  /** What the command takes as --deployment. */
  file: string;
  /** What they cost, in the order in which they were deployed. */
  steps: Awaited<ReturnType<typeof deployContracts>>["steps"];
  registration: Awaited<ReturnType<typeof registerKeyset>>;
  /** Undefined without a prover. */
  circuit: Circuit | undefined;
  stop(): Promise<void>;
}

export interface ChainServiceOptions {
  /** The circuit of the zoo's breast-cancer in use, and an SRS of its own on the contracts' list: needs a prover. */
  proving: boolean;
  environment?: Record<string, string>;
}

export async function startChainService({
  proving,
  environment = {},
}: ChainServiceOptions): Promise<ChainService> {
  const directory = temporaryDirectory().path;
  const undo: (() => Promise<unknown>)[] = [async () => rmSync(directory, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of undo.toReversed()) await step();
  };
  try {
    await buildContracts();
    const chain = await startAnvil({ nowSeconds: Math.floor(Date.now() / 1000) });
    undo.push(() => chain.stop());
    const circuit = proving ? await bindCircuit(directory) : undefined;
    const file = join(directory, "deployment.json");
    const proved = {
      AFFIDAVIT_CACHE_DIR: proverCache,
      AFFIDAVIT_CIRCUITS_DIR: join(directory, "circuits"),
      AFFIDAVIT_PROVERS: "1",
    };
    const own = { ...(proving && proved), ...environment };
    const { deployment, steps } = await deployFor(chain, directory, own, circuit);
    writeFileSync(file, JSON.stringify(deploymentToJson(deployment)));
    const service = await startService({
      directory,
      startTimeoutMs: START_TIMEOUT_MS,
      environment: {
        AFFIDAVIT_CHAIN_RPC_URL: chain.url,
        AFFIDAVIT_CHAIN_DEPLOYMENT: file,
        AFFIDAVIT_CHAIN_PRICES: `ether=${PAYMENT}`,
        AFFIDAVIT_CHAIN_CONFIRMATIONS: "2",
        AFFIDAVIT_CHAIN_POLL_MS: "200",
        ...own,
      },
    });
    undo.push(() => service.stop());
    const registration = await registerKeyset(chain.writer, deployment, chainSource(service.url).attestation);
    const offer = (await (await fetch(`${service.url}/v1/chain`)).json()) as Offer;
    await chain.cheats.setBalance({ address: offer.operator, value: FUNDS });
    const mining = setInterval(() => void chain.cheats.mine({ blocks: 1 }).catch(() => undefined), BLOCK_MS);
    undo.push(async () => clearInterval(mining));
    const coordinator = deployment.inferenceCoordinator!;
    return {
      chain,
      service,
      deployment,
      coordinator,
      offer,
      directory,
      file,
      steps,
      registration,
      circuit,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Contracts that list the code which the service attests: it runs for that, and is started anew with what was deployed. */
async function deployFor(
  chain: Chain,
  directory: string,
  environment: Record<string, string>,
  circuit: Circuit | undefined,
) {
  const service = await startService({ directory, startTimeoutMs: START_TIMEOUT_MS, environment });
  try {
    return await deployContracts(chain.writer, {
      owner: chain.writer.wallet.account.address,
      delaySeconds: 0n,
      referenceValues: [await attestedReferenceValue(chainSource(service.url).attestation)],
      tcbStatuses: 1,
      tcbFloor: 0,
      quoteVerifiers: {},
      development: true,
      coordinator: true,
      srs: { ceremony: [], development: circuit ? [bytesToHex(circuit.srsDigest)] : [] },
    });
  } finally {
    await service.stop();
  }
}

/** The circuit where the service finds it, bound by the owner whose key the service accepts. */
async function bindCircuit(directory: string): Promise<Circuit> {
  const circuits = join(directory, "circuits");
  mkdirSync(circuits);
  mkdirSync(join(directory, "config"), { mode: 0o700 });
  const key = join(directory, "config", "owner.key");
  writeFileSync(key, `${"29".repeat(32)}\n`, { mode: 0o600 });
  const id = await zooCircuit("breast-cancer", circuits);
  const bind = ["circuit", "bind", id, "--key", key, "--data-dir", directory];
  await command(bind, { AFFIDAVIT_CIRCUITS_DIR: "" });
  return (await loadCircuit(join(circuits, id))).circuit;
}
