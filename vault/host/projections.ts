/**
 * An inference's receipt in the formats that others read, signed with its statement and sealed for its owner: they hold
 * unsalted hashes, which tell whoever guesses a body whether it was that one. The vault builds each text itself from the
 * statement and checks the hashes against the statement's salted digests, so that no form says what another denies.
 */
import { equal, sha256, toHex, utf8 } from "../../codec/index.ts";
import {
  aciKeyId,
  buildAciReceipt,
  buildAirReceipt,
  dstackText,
  personalDigest,
  type AirClaims,
  type InferenceStatement,
} from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { SignedWords } from "../wire/operations.ts";
import {
  projections,
  type OpenedProjections,
  type ProjectionRequest,
  type Projections,
} from "../wire/projections.ts";
import { decode, encode } from "../wire/shape.ts";
import type { Ed25519Key } from "./ed25519.ts";
import type { InstalledKeyset } from "./keysets.ts";
import { openRecord, sealRecord } from "./sealed-record.ts";
import type { Signer } from "./signer.ts";

interface Parts {
  signer: Signer;
  air: Ed25519Key;
  aci: Ed25519Key;
  /** The AEAD key of one stored record. */
  recordKey(context32: Uint8Array): Uint8Array;
  /** Whether the evidence is the simulated TEE's. */
  simulated: boolean;
}

const CONTEXT = utf8("affidavit.v1.projections");
const NONCE_BYTES = { least: 8, most: 64 };

export class ProjectionSigner {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @throws VaultError `statement_invalid` where the hashes are not those of the statement */
  check(
    { requestDigest, responseDigest }: Pick<InferenceStatement, "requestDigest" | "responseDigest">,
    request: ProjectionRequest,
  ): void {
    const { challengeNonce: nonce } = request;
    const fits =
      equal(sha256(request.requestSalt, request.requestHash), requestDigest) &&
      equal(sha256(request.responseSalt, request.responseHash), responseDigest) &&
      request.modelName.length > 0 &&
      request.modelVersion.length > 0 &&
      (nonce === null || (nonce.length >= NONCE_BYTES.least && nonce.length <= NONCE_BYTES.most));
    if (!fits) throw new VaultError("statement_invalid");
  }

  seal(
    signed: SignedWords,
    statement: InferenceStatement,
    request: ProjectionRequest,
    keyset: InstalledKeyset,
  ): Uint8Array {
    const { signer } = this.#parts;
    const text = dstackText(request.requestHash, request.responseHash);
    const forms: Projections = {
      air: this.#air(signed, statement, request, keyset),
      aci: this.#aci(signed, statement, request),
      dstackText: text,
      dstackEcdsa: signer.sign(personalDigest(text)),
    };
    const context = contextOf(signed.digest);
    return sealRecord(this.#parts.recordKey(context), context, encode(projections, forms));
  }

  /** @throws VaultError `record_unreadable` */
  open(digest: Uint8Array, sealed: Uint8Array): OpenedProjections {
    const context = contextOf(digest);
    const forms = decode(projections, openRecord(this.#parts.recordKey(context), context, sealed));
    // A vault that shares the storage key sealed this text; few ask for Ed25519, so no answer waits for it.
    return { ...forms, dstackEd25519: this.#parts.aci.sign(utf8(forms.dstackText)) };
  }

  #aci(signed: SignedWords, { issuedAtMs }: InferenceStatement, request: ProjectionRequest): string {
    const { aci } = this.#parts;
    const fields = {
      receiptId: toHex(signed.digest),
      model: request.modelName,
      keysetDigest: signed.keysetDigest,
      endpoint: request.endpoint,
      servedAtSeconds: Number(issuedAtMs / 1000n),
      requestHash: request.requestHash,
      responseHash: request.responseHash,
      keyId: aciKeyId(aci.publicKey),
    };
    return buildAciReceipt(fields, (message) => aci.sign(message));
  }

  #air(
    signed: SignedWords,
    statement: InferenceStatement,
    request: ProjectionRequest,
    { attested, issuer }: InstalledKeyset,
  ): Uint8Array | null {
    if (!attested?.measurements) return null;
    const claims: AirClaims = {
      iss: issuer,
      iat: statement.issuedAtMs / 1000n,
      // Of a digest over 32 random bytes; it is also how the receipt's id starts.
      cti: signed.digest.slice(0, 16),
      eatNonce: request.challengeNonce ?? undefined,
      modelId: request.modelName,
      modelVersion: request.modelVersion,
      modelHash: statement.modelId,
      requestHash: request.requestHash,
      responseHash: request.responseHash,
      attestationDocHash: attested.digest,
      measurements: attested.measurements,
      policyVersion: `sha256:${toHex(statement.policyDigest)}`,
      sequenceNumber: statement.sequence,
      executionTimeMs: request.executionTimeMs,
      // Required, and not measured here: zero, as in the draft's example.
      memoryPeakMb: 0n,
      securityMode: this.#parts.simulated ? "evaluation" : "production",
      modelHashScheme: "sha256-manifest",
    };
    return buildAirReceipt(claims, (message) => this.#parts.air.sign(message));
  }
}

function contextOf(digest: Uint8Array): Uint8Array {
  return sha256(CONTEXT, digest);
}
