/** Puts the vault together: protections first, then its user and key directory, then keys. */
import { openGpus, openInterfaces, type Attester, type Interfaces } from "../../attestation/attest/index.ts";
import type { Frame, Reply } from "../../ipc/index.ts";
import { VaultError } from "../error.ts";
import type { AttesterInfo } from "../wire/evidence.ts";
import type { VaultInfo } from "../wire/operations.ts";
import { MAX_DRAW, type OperationName } from "../wire/operations.ts";
import type { HostArguments } from "./arguments.ts";
import { ChainAnswers } from "./chain-answers.ts";
import { AllowanceSeal } from "./allowance-record.ts";
import { Allowances } from "./allowances.ts";
import { Checkpoints } from "./checkpoints.ts";
import { ClusterFile, loadCluster, saveCheckpoint } from "./cluster.ts";
import { storageSecrets } from "./derive.ts";
import { ed25519FromSeed } from "./ed25519.ts";
import { forbidCoreDumps, forbidDumping } from "./harden.ts";
import { drawInstanceKeys } from "./instance-keys.ts";
import { FheKeys, loadBalancesAddon } from "./fhe-keys.ts";
import { enterKeyDirectory, lockKeyDirectory } from "./key-directory.ts";
import { openLimits } from "./limits.ts";
import { KeyReleases } from "./key-releases.ts";
import { KeyPassing } from "./key-passing.ts";
import { Keysets } from "./keysets.ts";
import { ModelMeasurements } from "./measured-models.ts";
import { signLeaf } from "./leaf-signer.ts";
import { readCheckpoint } from "./logged-leaf.ts";
import { signProof, signReexecution } from "./outcomes.ts";
import { OwnersPolicy } from "./policy.ts";
import { PriceLists } from "./price-lists.ts";
import { openKeyWrap } from "./key-wrap.ts";
import { secretsAreLocked } from "./secret-memory.ts";
import { encodePassedKeys } from "./passed-keys.ts";
import { serveJoining } from "./serve-joining.ts";
import { ProjectionSigner } from "./projections.ts";
import { Quotes } from "./quotes.ts";
import { RequestOpener } from "./request-opener.ts";
import { Restores } from "./restores.ts";
import { SealingKeys } from "./sealing-keys.ts";
import { serveHandlers } from "./serve.ts";
import { Statements } from "./statements.ts";
import { Tickets } from "./tickets.ts";
import { Transactions } from "./transactions.ts";

/** A vault whose service was just killed needs a moment to notice and end. */
const LOCK_WAIT_MS = 3000;
/** The service waits 30 seconds for a vault to start. */
const DEVICE_TIMEOUT_MS = 12_000;

/** @throws VaultError why the vault cannot start */
export async function startSecurityModule(
  host: HostArguments,
  log: (line: string) => void,
): Promise<(frame: Frame) => Reply | Promise<Reply>> {
  const nowMs = Date.now;
  const coreDumps = forbidCoreDumps();
  // As root, where the vault starts so: its own user then needs no right of its own to the devices.
  const { keyDirectory, user, owner } = host;
  const interfaces = await openAttestation(host, log);
  const addon = host.balances && loadBalancesAddon(host.balances.cacheDirectory, log);
  const wrap = await openKeyWrap(host.keyWrap, log);
  enterKeyDirectory(keyDirectory, user);
  const dumpable = forbidDumping();
  await lockKeyDirectory(LOCK_WAIT_MS);
  const attester = await chooseAttester(interfaces, log);
  if (host.joining) return serveJoining({ attester, owner, wrap, nowMs, log });
  const gpuAttester = await orUnavailable(log, () =>
    openGpus(host.gpuAttestation, { timeoutMs: DEVICE_TIMEOUT_MS, log }),
  );
  const attesters = { attester: infoOf(attester), gpuAttester: gpuAttester ? infoOf(gpuAttester) : null };
  const measurements = new ModelMeasurements(attester.register, log);
  const { keys, checkpoint } = await loadCluster(nowMs(), wrap);
  if (!secretsAreLocked()) log("the keys cannot be locked in memory on this machine");
  const { signer, air, aci } = drawInstanceKeys();
  const logKey = ed25519FromSeed(keys.logSeed);
  const secrets = storageSecrets(keys.storageKey);
  const tickets = new Tickets(nowMs);
  const answers = new ChainAnswers();
  const takeWei = (wei: bigint) => limits.takeWei(wei);
  const transactions = new Transactions({ chainKey: keys.chainKey, policy: host.chain, takeWei, nowMs });
  const file = new ClusterFile(keys, wrap);
  const limits = await openLimits(nowMs);
  const policy = await OwnersPolicy.open(
    { limits, savePin: (pin) => file.save({ policy: pin }) },
    keys.policy,
    owner,
    log,
  );
  const sealing = new SealingKeys(
    { rotation: host.sealing, nowMs, save: (sealingKeys) => file.save({ sealingKeys }) },
    keys.sealingKeys,
  );
  const opener = new RequestOpener(() => sealing.opening());
  const fheKeys = addon && (await FheKeys.open(addon, keys.fheSeed));
  const fhePublicKeyDigests = fheKeys?.digests ?? [];
  const keysets = new Keysets({
    signer,
    air,
    aci,
    logKey,
    sealingKeys: () => sealing.list(),
    fhePublicKeyDigests,
    ...attesters,
  });
  const quotes = new Quotes({ attester, gpuAttester, measurements, keysets, nowMs, log });
  const { recordKey } = secrets;
  // One simulated part makes the whole so.
  const simulated = attester.simulated || gpuAttester?.simulated === true;
  const projections = new ProjectionSigner({ signer, air, aci, recordKey, simulated });
  const seal = new AllowanceSeal(secrets.allowanceKey);
  const prices = new PriceLists(owner);
  const allowances =
    fheKeys &&
    new Allowances({
      address: signer.address,
      seal,
      prices,
      hpke: () => sealing.opening().map(({ key }) => key),
      macKey: secrets.ledgerKey,
      serverKeyDigest: fheKeys.digests[0]!,
      keyset: () => keysets.current(nowMs()).digest,
      nowMs,
    });
  const statements = new Statements({ signer, tickets, answers, keysets, projections, allowances, nowMs });
  const releases = new KeyReleases({ quotes, keysets, statements, nowMs });
  const checkpoints = new Checkpoints({ signer, logKey, keysets, nowMs, save: saveCheckpoint }, checkpoint);
  const passing = new KeyPassing({
    quoteFor: (reportData) => quotes.quoteFor(reportData),
    simulated: attester.simulated,
    peerPolicy: () => policy.peers,
    payload: () =>
      encodePassedKeys({ keys: file.keys, checkpoint: checkpoints.state, policy: policy.read().document }),
    statements,
    nowMs,
    log,
  });
  // With what it reads documents by, loaded where the first one comes: most vaults never see one.
  const circuits = lazy(async () => {
    const { Circuits } = await import("./circuits.ts");
    return new Circuits({ statements, keysets, logKey, owner, nowMs });
  });
  const ledger = lazy(async () => {
    if (!fheKeys || !host.balances) throw new VaultError("balances_off");
    const [{ Ledger }, { LedgerJournal }] = await Promise.all([
      import("./ledger.ts"),
      import("./ledger-journal.ts"),
    ]);
    const { operator } = host.balances;
    const journal = await LedgerJournal.open();
    return new Ledger({
      statements,
      keys: fheKeys,
      journal,
      operator,
      macKey: secrets.ledgerKey,
      checkCredit: (amountAtomic) => limits.requireCredit(amountAtomic),
      seal,
      nowMs,
    });
  });
  const restores =
    allowances &&
    new Restores({
      seal,
      allowances,
      readNote: (note) => readCheckpoint(logKey, keysets.current(nowMs()).origin, note),
      last: () => checkpoints.last(),
    });
  const workers = lazy(async () => {
    if (host.workers === undefined) throw new VaultError("worker_policy_missing");
    const { Workers } = await import("./workers.ts");
    return new Workers({ policy: host.workers, simulated, statements, recordKey, nowMs });
  });
  const info: VaultInfo = {
    receiptAddress: signer.address,
    receiptPublicKey: signer.publicKey,
    airPublicKey: air.publicKey,
    aciPublicKey: aci.publicKey,
    logPublicKey: logKey.publicKey,
    signer: signer.kind,
    ownUser: user !== undefined,
    dumpable,
    coreDumps,
    ...attesters,
    measuresModels: measurements.isOffered,
  };
  return serveHandlers(
    {
      describe: () => info,
      drawTickets: ({ count }) =>
        tickets
          .draw(requireCount(count))
          .map((requestId) => ({ requestId, defaultSalt: secrets.defaultSalt(requestId) })),
      installKeyset: (parameters) => keysets.install(parameters, nowMs()),
      quote: ({ nonce }) => quotes.quote(nonce),
      measureModel: async ({ modelId }) => ({ measured: await quotes.measure(modelId) }),
      signKeyset: (fields) => statements.signKeyset(fields),
      signRevocation: (fields) => statements.signRevocation(fields),
      sign: (batch) => batch.map((unsigned) => settle(() => statements.signTicketed(unsigned))),
      defaultSalt: ({ requestId }) => secrets.defaultSalt(requestId),
      recordKey: ({ context }) => secrets.recordKey(context),
      idempotencyTag: ({ message }) => secrets.idempotencyTag(message),
      lastCheckpoint: () => checkpoints.last(),
      signCheckpoint: (request) => checkpoints.sign(request),
      adoptCheckpoint: ({ note }) => checkpoints.adopt(note),
      openProjections: ({ digest, sealed }) => projections.open(digest, sealed),
      quoteSigner: ({ ed25519, nonce }) =>
        quotes.quoteSigner(ed25519 ? aci.publicKey : signer.address, nonce),
      exportRequestKeys: (request) => opener.exportKeys(request),
      tendSealingKeys: ({ how }) => sealing.tend(how),
      readPolicy: () => ({
        ...policy.read(),
        used: limits.used().map(({ name, used, perHour }) => ({
          name,
          used: BigInt(used),
          perHour: BigInt(perHour),
        })),
      }),
      changePolicy: ({ document }) => policy.change(document, statements),
      beginGiving: (asked) => passing.begin(asked),
      giveClusterKeys: (request) => passing.give(request),
      beginJoining: notJoining,
      quoteJoining: notJoining,
      finishJoining: notJoining,
      beginKeyRelease: (terms) => releases.begin(terms),
      finishKeyRelease: (release) => releases.finish(release),
      signLeaf: (logged) => signLeaf(logKey, keysets.current(nowMs()).origin, logged),
      signCircuitBinding: async (owned) => (await circuits()).signCircuitBinding(owned),
      signCircuitCommitment: async (opened) => (await circuits()).signCircuitCommitment(opened),
      chainAccount: () => ({ address: transactions.address }),
      signTransaction: (unsigned) => transactions.sign(unsigned),
      readFheKey: async ({ index, offset }) => {
        if (!fheKeys) throw new VaultError("balances_off");
        return fheKeys.readPart(index, offset);
      },
      encryptZero: async () => (await ledger()).encryptZero(),
      signLedgerEntry: async (request) => (await ledger()).signEntry(request),
      checkLedgerEntry: async (request) => (await ledger()).check(request),
      readBalance: async (request) => (await ledger()).read(request),
      installPriceList: ({ document }) => prices.install(document, statements),
      admitAllowance: (asked) => on(allowances).admit(asked),
      encryptAllowance: async ({ sealed }) => (await ledger()).encryptAllowance(sealed),
      activateAllowance: ({ sealed }) => {
        on(allowances).activate(sealed);
        return {};
      },
      closeAllowance: ({ sealed }) => ({ sealed: on(allowances).close(sealed) }),
      restoreAllowances: (request) => on(restores).restore(request),
      signChainAnswer: (answer) => {
        transactions.requireContract(answer.chainId, answer.coordinator);
        return statements.signChainAnswer(answer, transactions.address);
      },
      drawWorkerChallenge: async () => (await workers()).challenge(),
      admitWorker: async (shown) => (await workers()).admit(shown),
      releaseJobKey: async (wanted) => (await workers()).release(wanted),
      signProof: (fields) => signProof(statements, fields),
      signReexecution: (fields) => signReexecution(statements, fields),
    },
    log,
    (name, request) => limits.take(name, countOf(name, request)),
  );
}

/** A part of encrypted balances. @throws VaultError `balances_off` */
function on<T>(part: T | undefined): T {
  if (part === undefined) throw new VaultError("balances_off");
  return part;
}

function notJoining(): never {
  throw new VaultError("joining_off");
}

function lazy<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

function infoOf({ type, name, simulated }: AttesterInfo): AttesterInfo {
  return { type, name, simulated };
}

function openAttestation(
  { attestation, measurementRegister: register, user: owner }: HostArguments,
  log: (line: string) => void,
): Promise<Interfaces> {
  return orUnavailable(log, () =>
    openInterfaces(attestation, { owner, register, timeoutMs: DEVICE_TIMEOUT_MS }),
  );
}

function chooseAttester(interfaces: Interfaces, log: (line: string) => void): Promise<Attester> {
  return orUnavailable(log, async () => {
    const { attester, refusals } = await interfaces.choose();
    for (const { error } of refusals) log(`attestation: not ${error.message} [${error.code}]`);
    return attester;
  });
}

async function orUnavailable<T>(log: (line: string) => void, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    log(`attestation: ${cause instanceof Error ? cause.message : "unavailable"}`);
    throw new VaultError("attester_unavailable", { cause });
  }
}

/** How much of its limit a request takes: a batch of statements as many as it holds. */
function countOf(name: OperationName, request: unknown): number {
  return name === "sign" ? (request as readonly unknown[]).length : 1;
}

function requireCount(count: number): number {
  if (count === 0) throw new VaultError("malformed");
  if (count > MAX_DRAW) throw new VaultError("request_too_large");
  return count;
}

/** One statement's refusal is its own result; the rest of the batch goes on. */
function settle<T>(sign: () => T): T | VaultError {
  try {
    return sign();
  } catch (error) {
    if (error instanceof VaultError) return error;
    throw error;
  }
}
