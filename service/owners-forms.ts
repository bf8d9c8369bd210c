/** A receipt's forms with unsalted hashes: opened by the vault for one request, kept nowhere in clear. */
import { fromHex, toHex, toHex0x } from "../codec/index.ts";
import { parseKeyset } from "../receipts/index.ts";
import type { OpenedProjections } from "../vault/index.ts";
import { findStatement, type Database, type StoredStatement } from "./db/index.ts";
import type { KeysetRecords } from "./keyset-records.ts";
import { ServiceError } from "./problem.ts";
import type { OwnersForms } from "./services.ts";
import type { SessionHolder } from "./session.ts";

export function ownersForms(
  database: Database,
  sessions: SessionHolder,
  keysets: KeysetRecords,
): OwnersForms {
  async function open(
    receiptId: string,
  ): Promise<{ stored: StoredStatement; forms: OpenedProjections; aciPublicKey: Uint8Array }> {
    const stored = await findStatement(database, fromHex(receiptId, 32));
    if (!stored?.sealedExtra) throw new ServiceError("receipt_form_unavailable");
    const { vault } = sessions.current();
    const forms = await vault.openProjections(stored.digest, stored.sealedExtra);
    return { stored, forms, aciPublicKey: vault.info.aciPublicKey };
  }

  return {
    async air(receiptId) {
      const { forms } = await open(receiptId);
      if (!forms.air)
        throw new ServiceError("receipt_form_unavailable", "AIR v1 has no place for this TEE's measurements");
      return forms.air;
    },
    aci: async (receiptId) => (await open(receiptId)).forms.aci,
    async dstack(receiptId, algorithm) {
      const { stored, forms, aciPublicKey } = await open(receiptId);
      const keyset = parseKeyset((await keysets.get(stored.keysetDigest)).keyset);
      const { dstackText: text, dstackEcdsa, dstackEd25519 } = forms;
      return algorithm === "ecdsa"
        ? {
            text,
            signature: toHex0x(dstackEcdsa),
            signing_address: toHex0x(keyset.receiptAddress),
            signing_algo: algorithm,
          }
        : {
            text,
            signature: toHex(dstackEd25519),
            signing_address: toHex(aciPublicKey),
            signing_algo: algorithm,
          };
    },
  };
}
