/** A log of two leaves, the second an entry: for what reads published entries. */
import { ed25519 } from "@noble/curves/ed25519.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256, utf8 } from "../../codec/index.ts";
import {
  buildKeyset,
  checkpointText,
  formatNote,
  keysetDigest,
  leafData,
  leafHash,
  NOTE_TYPE_ED25519,
  noteKeyId,
  nodeHash,
  packSignature,
  statementDigest,
  type StatementOf,
} from "../../receipts/index.ts";
import type { PublishedEntry } from "../audit.ts";
import type { Logged, LoggedEntry } from "../logged-entry.ts";

export const seed = (name: string) => sha256(utf8(name));
const origin = "ledger.example/log";
export const LOG_KEY = { name: origin, publicKey: ed25519.getPublicKey(seed("log")) };
const receiptKey = seed("receipt");

export function keysetOf(fhePublicKeyDigests: Uint8Array[]): string {
  return buildKeyset({
    receiptPublicKey: secp256k1.getPublicKey(receiptKey),
    aciPublicKey: ed25519.getPublicKey(seed("aci")),
    airPublicKey: ed25519.getPublicKey(seed("air")),
    notAfterSeconds: 1_900_000_000,
    subject: null,
    encryptionKeys: [],
    tlsKeys: [],
    log: { origin, publicKey: LOG_KEY.publicKey },
    epoch: 1,
    fhePublicKeyDigests,
    measurements: {},
    attester: { type: "tdx", name: "simulated", simulated: true },
  });
}

/** Signed under a keyset and logged as leaf 1 of 2, each in a tree of its own. */
export function logEntry(
  published: PublishedEntry,
  keyset: string,
  openings: readonly StatementOf<"Opening">[] = [],
): LoggedEntry {
  return {
    ...published,
    ...logStatement("LedgerEntry", statementDigest("LedgerEntry", published.entry), keyset),
    openings: openings.map((opening) => ({
      opening,
      ...logStatement("Opening", statementDigest("Opening", opening), keyset),
    })),
  };
}

function logStatement(type: "LedgerEntry" | "Opening", digest: Uint8Array, keyset: string): Logged {
  const recovered = secp256k1.sign(digest, receiptKey, { prehash: false, format: "recovered" });
  const signature = packSignature(recovered.subarray(1), recovered[0]!);
  const leaf = leafHash(leafData(type, digest, keysetDigest(keyset), signature));
  const sibling = seed("another leaf");
  const text = checkpointText({ origin, size: 2n, root: nodeHash(sibling, leaf) });
  const keyId = noteKeyId(origin, NOTE_TYPE_ED25519, LOG_KEY.publicKey);
  const signatures = [{ keyName: origin, keyId, signature: ed25519.sign(utf8(text), seed("log")) }];
  const log = { origin, leafIndex: 1n, proof: [sibling], checkpoint: formatNote({ text, signatures }) };
  return { signature, keyset, log };
}
