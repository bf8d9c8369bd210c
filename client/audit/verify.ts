/** Verifies an audit bundle with no network: every receipt by the times in it, and that all its log heads are of one log. */
import { equal, fromHex, fromUtf8, CodecError } from "../../codec/index.ts";
import {
  parseBundle,
  parseKeyset,
  parseRevocations,
  ReceiptError,
  verifyCheckpoint,
  verifyConsistency,
  type NoteKey,
  type ReceiptBundle,
  type Revocation,
  type SignedCheckpoint,
} from "../../receipts/index.ts";
import type { ClientPolicy } from "../policy.ts";
import type { Claim, Verification } from "../verification.ts";
import { verifyReceipt } from "../verify.ts";
import { receiptIdOf } from "./disclosure.ts";
import { AuditError } from "./error.ts";
import { attach, parseHead } from "./layout.ts";
import { readTar } from "./tar.ts";

export interface AuditedReceipt extends Pick<
  Verification,
  "verdict" | "code" | "message" | "simulated" | "claims"
> {
  receiptId: string;
  /** Unix milliseconds, by the host's clock. */
  issuedAtMs: bigint;
}

export interface Audit {
  verdict: "accepted" | "rejected";
  code: string;
  message: string;
  simulated: boolean;
  log: { origin: string; size: bigint };
  /** Log heads that were shown to be of one log with the newest one. */
  checkpoints: number;
  receipts: AuditedReceipt[];
  /** Over all receipts: how often each claim has which status and source. */
  claims: (Omit<Claim, "value"> & { receipts: number })[];
}

export interface AuditOptions {
  now: Date;
  policy?: ClientPolicy;
}

/**
 * A bundle that is malformed throws; one whose receipts do not hold is `rejected`.
 * @throws AuditError `archive_invalid`, `audit_invalid`; AttestationError `policy_malformed`
 */
export function verifyAudit(archive: Uint8Array, { now, policy = {} }: AuditOptions): Audit {
  const files = readTar(archive);
  const text = (name: string): string | undefined => {
    const bytes = files.get(name);
    return bytes && fromUtf8(bytes);
  };
  return reading(() => {
    const head = parseHead(required(text("audit.json"), "audit.json"));
    const log = { name: head.origin, publicKey: fromHex(head.logPublicKey, 32) };
    const newest = verifyCheckpoint(required(text("checkpoint"), "checkpoint"), log);
    const revocations = parseRevocations(required(text("revocations.json"), "revocations.json"));
    const names = [...files.keys()].filter((name) => name.startsWith("receipts/"));
    if (names.length === 0) throw new AuditError("audit_invalid", "there is no receipt in the bundle");
    const heads = new Heads(log, newest, files);
    const receipts = names.map((name) => {
      const bundle = parseBundle(attach(JSON.parse(text(name)!) as never, text));
      if (name !== `receipts/${receiptIdOf(bundle)}.json`)
        throw new AuditError("audit_invalid", "a receipt stands under another's name");
      return judge(bundle, heads, { now, policy, revocations });
    });
    const refused = receipts.find(({ verdict }) => verdict === "rejected");
    return {
      verdict: refused ? "rejected" : "accepted",
      code: refused?.code ?? "ok",
      message: refused ? `receipt ${refused.receiptId}: ${refused.message}` : "",
      simulated: receipts.some(({ simulated }) => simulated),
      log: { origin: head.origin, size: newest.size },
      checkpoints: heads.count,
      receipts,
      claims: countClaims(receipts),
    };
  });
}

function required(text: string | undefined, name: string): string {
  if (text === undefined) throw new AuditError("audit_invalid", `${name} is missing`);
  return text;
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof ReceiptError || cause instanceof CodecError || cause instanceof SyntaxError)
      throw new AuditError("audit_invalid", cause.message, { cause });
    throw cause;
  }
}

function judge(
  bundle: ReceiptBundle,
  heads: Heads,
  options: AuditOptions & { policy: ClientPolicy; revocations: Revocation[] },
): AuditedReceipt {
  const { now, policy, revocations } = options;
  const result = verifyReceipt(bundle, { now, revocations, policy: { ...policy, requireInclusion: true } });
  const { verdict, code, message, simulated, claims } = result;
  const base = { receiptId: receiptIdOf(bundle), issuedAtMs: bundle.statement.issuedAtMs, simulated };
  const apart = verdict === "accepted" ? heads.refuse(bundle) : undefined;
  return apart === undefined
    ? { ...base, verdict, code, message, claims }
    : { ...base, verdict: "rejected", code: "log_heads_inconsistent", message: apart, claims: [] };
}

/** The log heads of the bundle, each of which must be on the way to the newest. */
class Heads {
  readonly #log: NoteKey;
  readonly #newest: SignedCheckpoint;
  readonly #files: ReadonlyMap<string, Uint8Array>;
  readonly #sound = new Map<string, Uint8Array>();

  constructor(log: NoteKey, newest: SignedCheckpoint, files: ReadonlyMap<string, Uint8Array>) {
    this.#log = log;
    this.#newest = newest;
    this.#files = files;
    this.#sound.set(newest.size.toString(), newest.root);
  }

  get count(): number {
    return this.#sound.size;
  }

  /** Why the receipt's log heads are not of this bundle's log; undefined where they are. */
  refuse({ keyset, keysetLog, inclusion }: ReceiptBundle): string | undefined {
    const { log } = parseKeyset(keyset);
    if (log.origin !== this.#log.name || !equal(log.publicKey, this.#log.publicKey))
      return "it is of another log";
    try {
      for (const note of [keysetLog.checkpoint, keysetLog.attestedCheckpoint, inclusion!.checkpoint])
        this.#check(note);
      return undefined;
    } catch (error) {
      if (error instanceof ReceiptError) return error.message;
      throw error;
    }
  }

  #check(note: string): void {
    const { size, root } = verifyCheckpoint(note, this.#log);
    const known = this.#sound.get(size.toString());
    if (known) {
      if (!equal(known, root)) throw new ReceiptError("consistency_invalid", `two roots of ${size} leaves`);
      return;
    }
    const proof = this.#files.get(`consistency/${size}`);
    if (!proof || proof.length % 32 !== 0)
      throw new ReceiptError("consistency_invalid", `no proof from ${size} leaves`);
    const hashes = Array.from({ length: proof.length / 32 }, (_, i) => proof.subarray(32 * i, 32 * i + 32));
    verifyConsistency(size, this.#newest.size, root, this.#newest.root, hashes);
    this.#sound.set(size.toString(), root);
  }
}

function countClaims(receipts: readonly AuditedReceipt[]): Audit["claims"] {
  const counts = new Map<string, Audit["claims"][number]>();
  for (const { claim, status, source } of receipts.flatMap(({ claims }) => claims)) {
    const name = `${claim} ${status} ${source}`;
    const found = counts.get(name) ?? { claim, status, source, receipts: 0 };
    found.receipts++;
    counts.set(name, found);
  }
  return [...counts.values()];
}
