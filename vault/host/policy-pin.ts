/** What the key file holds of the owner's policy. */
export interface PolicyPin {
  /** Ed25519, 32 bytes; null where no start named one. */
  owner: Uint8Array | null;
  /** Of the policy in force; 0 for none. */
  version: number;
}
