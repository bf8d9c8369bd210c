/** The keyset that statements are signed under: the vault's own public keys and what the service adds. */
import { toHex } from "../../codec/index.ts";
import {
  buildKeyset,
  keysetDigest,
  NOTE_TYPE_ED25519,
  noteKeyId,
  ReceiptError,
  type AirMeasurements,
} from "../../receipts/index.ts";
import { hpkeKeysetKey } from "../../sealing/index.ts";
import { VaultError } from "../error.ts";
import type { AttesterInfo } from "../wire/evidence.ts";
import type { Keyset, KeysetParameters } from "../wire/operations.ts";
import type { SealingKeyInfo } from "../wire/sealing.ts";
import type { Ed25519Key } from "./ed25519.ts";
import type { Signer } from "./signer.ts";

const MAX_LIFETIME_SECONDS = 366 * 86_400;
/** Quotes whose digest a `Keyset` statement may name. */
const MAX_REMEMBERED_QUOTES = 64;
const MAX_KNOWN_KEYSETS = 8;

interface Parts {
  signer: Signer;
  air: Ed25519Key;
  aci: Ed25519Key;
  logKey: Ed25519Key;
  /** The newest first; at least one. */
  sealingKeys: () => readonly Pick<SealingKeyInfo, "epoch" | "publicKey">[];
  /** SHA-256 of the FHE public keys; none where balances are off. */
  fhePublicKeyDigests: readonly Uint8Array[];
  attester: AttesterInfo;
  gpuAttester: AttesterInfo | null;
}

/** A quote made here, as AIR receipts refer to it. */
interface AttestedQuote {
  /** SHA-256 of the quote: 32 bytes. */
  digest: Uint8Array;
  /** null where AIR has no place for them. */
  measurements: AirMeasurements | null;
}

export class InstalledKeyset implements Keyset {
  readonly text: string;
  readonly digest: Uint8Array;
  readonly notAfterMs: bigint;
  readonly origin: string;
  /** Who issues, as AIR asks: the subject, or the log where there is none. */
  readonly issuer: string;
  readonly #quoted = new Map<string, AttestedQuote>();
  #attested: AttestedQuote | undefined;

  constructor(text: string, parameters: KeysetParameters) {
    this.text = text;
    this.digest = keysetDigest(text);
    this.notAfterMs = parameters.notAfterSeconds * 1000n;
    this.origin = parameters.logOrigin;
    this.issuer = parameters.subject ?? parameters.logOrigin;
  }

  /** @param evidenceDigest what a `Keyset` statement will name it by */
  rememberQuote(evidenceDigest: Uint8Array, evidence: AttestedQuote): void {
    this.#quoted.set(toHex(evidenceDigest), evidence);
    if (this.#quoted.size > MAX_REMEMBERED_QUOTES) {
      for (const oldest of this.#quoted.keys()) return void this.#quoted.delete(oldest);
    }
  }

  /** A `Keyset` statement now names this quote. @throws VaultError `evidence_unknown` */
  attest(evidenceDigest: Uint8Array): void {
    const evidence = this.#quoted.get(toHex(evidenceDigest));
    if (!evidence) throw new VaultError("evidence_unknown");
    this.#attested = evidence;
  }

  /** The evidence that the last `Keyset` statement names. */
  get attested(): AttestedQuote | undefined {
    return this.#attested;
  }
}

export class Keysets {
  readonly #parts: Parts;
  #installed: InstalledKeyset | undefined;
  readonly #known = new Map<string, InstalledKeyset>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Replaces the installed keyset. @throws VaultError `keyset_invalid` */
  install(parameters: KeysetParameters, nowMs: number): Keyset {
    const nowSeconds = BigInt(Math.floor(nowMs / 1000));
    const lifetimeSeconds = parameters.notAfterSeconds - nowSeconds;
    if (lifetimeSeconds <= 0n || lifetimeSeconds > BigInt(MAX_LIFETIME_SECONDS)) {
      throw new VaultError("keyset_invalid");
    }
    const keyset = new InstalledKeyset(this.#build(parameters), parameters);
    const name = toHex(keyset.digest);
    // One that was installed before, after a renewal that failed, keeps the evidence that it was attested by.
    this.#installed = this.#known.get(name) ?? keyset;
    this.#known.set(name, this.#installed);
    if (this.#known.size > MAX_KNOWN_KEYSETS) this.#known.delete(this.#known.keys().next().value!);
    return this.#installed;
  }

  /** @throws VaultError `keyset_missing`, `keyset_expired` */
  current(nowMs: number): InstalledKeyset {
    if (!this.#installed) throw new VaultError("keyset_missing");
    if (BigInt(nowMs) > this.#installed.notAfterMs) throw new VaultError("keyset_expired");
    return this.#installed;
  }

  #build(parameters: KeysetParameters): string {
    const { signer, air, aci, logKey, attester, gpuAttester } = this.#parts;
    const sealingKeys = this.#parts.sealingKeys();
    try {
      // The origin is also the name of the log key in notes, whose rules are narrower than the keyset's.
      noteKeyId(parameters.logOrigin, NOTE_TYPE_ED25519, logKey.publicKey);
      return buildKeyset({
        receiptPublicKey: signer.publicKey,
        aciPublicKey: aci.publicKey,
        airPublicKey: air.publicKey,
        notAfterSeconds: Number(parameters.notAfterSeconds),
        subject: parameters.subject,
        encryptionKeys: sealingKeys.map(({ epoch, publicKey }) => hpkeKeysetKey(epoch, publicKey)),
        tlsKeys: parameters.tlsKeys.map((key) => ({ ...key, custody: "service" })),
        log: { origin: parameters.logOrigin, publicKey: logKey.publicKey },
        epoch: sealingKeys[0]!.epoch,
        fhePublicKeyDigests: [...this.#parts.fhePublicKeyDigests],
        measurements: {},
        attester: { ...attester, ...(gpuAttester && { gpu: gpuAttester }) },
      });
    } catch (error) {
      throw error instanceof ReceiptError ? new VaultError("keyset_invalid") : error;
    }
  }
}
