/** The layouts of what the vault does with its owner's policy. */
import { MAX_VAULT_POLICY_LENGTH } from "../../receipts/index.ts";
import { bytes, list, nullable, record, text, u64 } from "./shape.ts";

export interface PolicyView {
  /** The Ed25519 key whose documents count: 32 bytes; null for nobody's. */
  owner: Uint8Array | null;
  /** Exact text of the policy in force; null for none. */
  document: string | null;
  /** What is limited, with what was used of it in this hour. */
  used: readonly { name: string; used: bigint; perHour: bigint }[];
}

/** The text's characters are ASCII where it is canonical; what is not is refused by its reader. */
export const policyDocument = record<{ document: string }>({ document: text(MAX_VAULT_POLICY_LENGTH) });

export const policyView = record<PolicyView>({
  owner: nullable(bytes(32)),
  document: nullable(text(MAX_VAULT_POLICY_LENGTH)),
  used: list(record<PolicyView["used"][number]>({ name: text(40), used: u64, perHour: u64 }), 128),
});
