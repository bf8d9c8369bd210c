/** The keyset that statements are signed under: the vault's own public keys and what the service adds. */
import { toHex } from "../../codec/index.ts";
import type { Attester } from "../../attestation/attest/index.ts";
import {
  buildKeyset,
  keysetDigest,
  NOTE_TYPE_ED25519,
  noteKeyId,
  ReceiptError,
} from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { Keyset, KeysetParameters } from "../wire/operations.ts";
import type { Ed25519Key } from "./ed25519.ts";
import type { Signer } from "./signer.ts";

const MAX_LIFETIME_SECONDS = 366 * 86_400;
/** Quotes whose digest a `Keyset` statement may name. */
const MAX_REMEMBERED_QUOTES = 64;

interface Parts {
  signer: Signer;
  air: Ed25519Key;
  logKey: Ed25519Key;
  epoch: number;
  attester: Pick<Attester, "type" | "name" | "simulated">;
}

export class InstalledKeyset implements Keyset {
  readonly text: string;
  readonly digest: Uint8Array;
  readonly notAfterMs: bigint;
  readonly origin: string;
  readonly #quoted = new Set<string>();

  constructor(text: string, parameters: KeysetParameters) {
    this.text = text;
    this.digest = keysetDigest(text);
    this.notAfterMs = parameters.notAfterSeconds * 1000n;
    this.origin = parameters.logOrigin;
  }

  rememberQuote(evidenceDigest: Uint8Array): void {
    this.#quoted.add(toHex(evidenceDigest));
    if (this.#quoted.size > MAX_REMEMBERED_QUOTES) {
      for (const oldest of this.#quoted) return void this.#quoted.delete(oldest);
    }
  }

  isQuoted(evidenceDigest: Uint8Array): boolean {
    return this.#quoted.has(toHex(evidenceDigest));
  }
}

export class Keysets {
  readonly #parts: Parts;
  #installed: InstalledKeyset | undefined;

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
    this.#installed = new InstalledKeyset(this.#build(parameters), parameters);
    return this.#installed;
  }

  /** @throws VaultError `keyset_missing`, `keyset_expired` */
  current(nowMs: number): InstalledKeyset {
    if (!this.#installed) throw new VaultError("keyset_missing");
    if (BigInt(nowMs) > this.#installed.notAfterMs) throw new VaultError("keyset_expired");
    return this.#installed;
  }

  #build(parameters: KeysetParameters): string {
    const { signer, air, logKey, epoch, attester } = this.#parts;
    try {
      // The origin is also the name of the log key in notes, whose rules are narrower than the keyset's.
      noteKeyId(parameters.logOrigin, NOTE_TYPE_ED25519, logKey.publicKey);
      return buildKeyset({
        receiptPublicKey: signer.publicKey,
        airPublicKey: air.publicKey,
        notAfterSeconds: Number(parameters.notAfterSeconds),
        subject: parameters.subject,
        encryptionKeys: [],
        tlsKeys: parameters.tlsKeys.map((key) => ({ ...key, custody: "service" })),
        log: { origin: parameters.logOrigin, publicKey: logKey.publicKey },
        epoch,
        fhePublicKeyDigests: [],
        measurements: {},
        attester: { type: attester.type, name: attester.name, simulated: attester.simulated },
      });
    } catch (error) {
      throw error instanceof ReceiptError ? new VaultError("keyset_invalid") : error;
    }
  }
}
