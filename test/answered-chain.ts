/** A chain whose coordinator a whole service answers: what the tests of the watcher stand on. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAbi, parseEventLogs, zeroAddress, type Abi, type Address, type Hex } from "viem";
import { expect } from "vitest";
import {
  attestedReferenceValue,
  chainSource,
  deployContracts,
  deploymentToJson,
  inferenceCoordinatorAbi,
  registerKeyset,
  requestStatus,
  type Deployment,
  type RequestStatus,
} from "../client/chain/index.ts";
import { send } from "../client/chain/send.ts";
import { canonicalTensors } from "../receipts/index.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { buildContracts } from "./contracts-build.ts";
import { temporaryDirectory } from "./folder.ts";
import { startService, type RunningService } from "./service-process.ts";

export const MODEL = "breast-cancer";
export const EXAMPLE = new URL(`../models/zoo/${MODEL}/example.json`, import.meta.url);
export const PAYMENT = 10n ** 15n;
export const DEADLINE_SECONDS = 1200;
export const NONE: Hex = `0x${"00".repeat(32)}`;
export const CONSUMER = parseAbi([
  "struct Terms { bytes32 modelId; bytes32 policyDigest; bytes32 circuitInput; uint8 assurance; bool pinned; uint32 callbackGas; address operator; address token; uint96 payment; uint40 deadlineSeconds; }",
  "struct Input { bytes publicInput; bytes32 commitment; }",
  "function ask(Terms terms, Input input) payable returns (bytes32)",
  "function setMood(uint8 mood)",
  "function output() view returns (bytes)",
  "function calls() view returns (uint256)",
]);
const MOODS = { kind: 0, reverts: 1, burnsGas: 2, returnsMuch: 3, reentersDeliver: 4 } as const;
export type Mood = keyof typeof MOODS;

export interface Changes {
  modelId?: Hex;
  operator?: Address;
  payment?: bigint;
  pinned?: boolean;
  /** 32 bytes: asks by it and shows no input. */
  commitment?: Hex;
  callbackGas?: number;
  deadlineSeconds?: number;
}

export interface PanelAsked {
  operators: Address[];
  threshold: number;
  commitSeconds: number;
  revealSeconds: number;
  bond?: bigint;
}

/** Canonical tensors of the model's example. */
export function exampleInput(): Uint8Array {
  const { inputs } = JSON.parse(readFileSync(EXAMPLE, "utf8")) as {
    inputs: { name: string; shape: number[]; data: number[] }[];
  };
  const [{ name, shape, data }] = inputs as [(typeof inputs)[0]];
  const values = new Uint8Array(Float32Array.from(data.flat()).buffer);
  return canonicalTensors([{ name, datatype: "FP32", shape, data: values }]);
}

export type AnsweredChain = Awaited<ReturnType<typeof startAnsweredChain>>;

/** @param environment further settings of the service */
export async function startAnsweredChain(environment: Record<string, string> = {}) {
  await buildContracts();
  const chain = await startAnvil({ nowSeconds: Math.floor(Date.now() / 1000) });
  const directory = temporaryDirectory().path;
  const before = await startService({ directory, startTimeoutMs: 120_000 });
  const deployed = await deployContracts(chain.writer, {
    owner: chain.writer.wallet.account.address,
    delaySeconds: 0n,
    referenceValues: [await attestedReferenceValue(chainSource(before.url).attestation)],
    tcbStatuses: 1,
    tcbFloor: 0,
    quoteVerifiers: {},
    development: true,
    coordinator: true,
  });
  await before.stop();
  const world = new World(chain, deployed.deployment, directory);
  await world.start(environment);
  return world;
}

class World {
  readonly chain: Chain;
  readonly deployment: Deployment;
  readonly coordinator: Address;
  readonly directory: string;
  readonly file: string;
  /** The first service; it may be stopped and started again. */
  service!: RunningService;
  operator!: Address;
  terms!: { modelId: Hex; policyDigest: Hex };
  #mining: NodeJS.Timeout | undefined;
  #environment: Record<string, string> = {};

  constructor(chain: Chain, deployment: Deployment, directory: string) {
    this.chain = chain;
    this.deployment = deployment;
    this.coordinator = deployment.inferenceCoordinator!;
    this.directory = directory;
    this.file = join(directory, "deployment.json");
    writeFileSync(this.file, JSON.stringify(deploymentToJson(deployment)));
  }

  async start(environment: Record<string, string>): Promise<void> {
    this.#environment = environment;
    await this.startAgain();
    const view = (await this.get("/v1/chain")) as { operator: Address; policies: { tee: Hex } };
    this.operator = view.operator;
    const { models } = (await this.get("/v1/models")) as { models: { manifest: string; modelId: Hex }[] };
    const { modelId } = models.find(({ manifest }) => manifest.includes(`"name":"${MODEL}"`))!;
    this.terms = { modelId, policyDigest: view.policies.tee };
    await this.chain.cheats.setBalance({ address: this.operator, value: 10n ** 18n });
    this.keepMining();
  }

  /** Once more on its folders, with its new keyset registered. */
  async startAgain(): Promise<void> {
    this.service = await this.serve({ directory: this.directory, environment: this.#environment });
    await this.register(this.service);
  }

  serve(options: { directory?: string; environment?: Record<string, string> }): Promise<RunningService> {
    const environment = {
      AFFIDAVIT_CHAIN_RPC_URL: this.chain.url,
      AFFIDAVIT_CHAIN_DEPLOYMENT: this.file,
      AFFIDAVIT_CHAIN_PRICES: `ether=${PAYMENT}`,
      AFFIDAVIT_CHAIN_CONFIRMATIONS: "2",
      AFFIDAVIT_CHAIN_POLL_MS: "200",
      AFFIDAVIT_CHAIN_MAX_WEI_PER_HOUR: String(10n ** 18n),
      ...options.environment,
    };
    return startService({ ...options, startTimeoutMs: 120_000, environment });
  }

  register(service: RunningService) {
    return registerKeyset(this.chain.writer, this.deployment, chainSource(service.url).attestation);
  }

  async kill(): Promise<void> {
    const { child } = this.service;
    child.kill("SIGKILL");
    await new Promise((done) => child.once("exit", done));
  }

  async get(path: string): Promise<unknown> {
    return await (await fetch(this.service.url + path)).json();
  }

  status(requestId: Hex): Promise<RequestStatus> {
    return requestStatus(this.chain.reader, this.coordinator, requestId);
  }

  async ends(requestId: Hex, wanted: RequestStatus): Promise<void> {
    await expect.poll(() => this.status(requestId), { timeout: 60_000, interval: 200 }).toBe(wanted);
  }

  /** What the service says of it, once it says this of it. */
  async becomes(requestId: Hex, wanted: Record<string, unknown>): Promise<void> {
    const view = () => this.get(`/v1/chain/requests/${requestId}`);
    await expect.poll(view, { timeout: 60_000, interval: 200 }).toMatchObject(wanted);
  }

  async consumer(mood: Mood): Promise<Address> {
    const { address } = await this.chain.deploy("Consumers:Consumer", [this.coordinator]);
    await this.write(address, CONSUMER, "setMood", [MOODS[mood]]);
    return address;
  }

  /** A contract's request; with `from` undefined the first account's own. */
  async ask(from: Address | undefined, changes: Changes = {}): Promise<Hex> {
    const { terms, input } = await this.asked(changes);
    const value = terms.payment;
    if (from) return await this.#requested(from, CONSUMER, "ask", [terms, input], value);
    const own = [{ ...terms, callbackGas: 0 }, input];
    return await this.#requested(this.coordinator, inferenceCoordinatorAbi, "request", own, value);
  }

  async askPanel(panel: PanelAsked, changes: Changes = {}): Promise<Hex> {
    const { timestamp } = await this.chain.reader.getBlock();
    const commitUntilSeconds = Number(timestamp) + panel.commitSeconds;
    const revealUntilSeconds = commitUntilSeconds + panel.revealSeconds;
    const { terms, input } = await this.asked({
      ...changes,
      operator: zeroAddress,
      callbackGas: 0,
      deadlineSeconds: revealUntilSeconds + DEADLINE_SECONDS,
    });
    const asked = {
      operators: panel.operators,
      threshold: panel.threshold,
      commitUntilSeconds,
      revealUntilSeconds,
      bond: panel.bond ?? 0n,
      tolerance: 0n,
    };
    const abi = inferenceCoordinatorAbi;
    return await this.#requested(this.coordinator, abi, "requestPanel", [terms, input, asked], terms.payment);
  }

  async asked(changes: Changes) {
    const { timestamp } = await this.chain.reader.getBlock();
    const terms = {
      ...this.terms,
      ...(changes.modelId && { modelId: changes.modelId }),
      circuitInput: NONE,
      assurance: 0,
      pinned: changes.pinned ?? false,
      callbackGas: changes.callbackGas ?? 300_000,
      operator: changes.operator ?? this.operator,
      token: zeroAddress,
      payment: changes.payment ?? PAYMENT,
      deadlineSeconds: changes.deadlineSeconds ?? Number(timestamp) + DEADLINE_SECONDS,
    };
    const shown: Hex = changes.commitment ? "0x" : `0x${Buffer.from(exampleInput()).toString("hex")}`;
    return { terms, input: { publicInput: shown, commitment: changes.commitment ?? NONE } };
  }

  async #requested(
    address: Address,
    abi: Abi,
    functionName: string,
    args: unknown[],
    value: bigint,
  ): Promise<Hex> {
    const { transaction } = await this.write(address, abi, functionName, args, value);
    const { logs } = await this.chain.reader.getTransactionReceipt({ hash: transaction });
    const [event] = parseEventLogs({ abi: inferenceCoordinatorAbi, eventName: "Requested", logs });
    return event!.args.requestId;
  }

  write(address: Address, abi: Abi, functionName: string, args: unknown[], value = 0n) {
    return send(this.chain.writer, { address, abi, functionName, args, value });
  }

  read<T>(functionName: string, args: unknown[] = []): Promise<T> {
    const call = { address: this.coordinator, abi: inferenceCoordinatorAbi, functionName, args };
    return this.chain.reader.readContract(call as never) as Promise<T>;
  }

  /** Past the deadline of all that was asked so far. */
  async pass(seconds: number): Promise<void> {
    const { timestamp } = await this.chain.reader.getBlock();
    await this.chain.warp(Number(timestamp) + seconds);
  }

  async events() {
    return await this.chain.reader.getContractEvents({
      address: this.coordinator,
      abi: inferenceCoordinatorAbi,
      fromBlock: 0n,
      strict: true,
    });
  }

  keepMining(): void {
    this.#mining = setInterval(() => void this.chain.cheats.mine({ blocks: 1 }).catch(() => undefined), 250);
  }

  stopMining(): void {
    clearInterval(this.#mining);
  }

  async stop(): Promise<void> {
    this.stopMining();
    await Promise.all([this.service?.stop(), this.chain.stop()]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
