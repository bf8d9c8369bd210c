/** What the operator does with the vault's keys. */
import type { SealingKeyInfo } from "../vault/index.ts";
import { DEFAULT_TENANT } from "./db/index.ts";
import type { Keeper } from "./keeper.ts";
import { ServiceError } from "./problem.ts";
import type { Account } from "./services.ts";

/** For the operator's own tenant: keys are the whole installation's. Each throws ServiceError `scope_missing` for others. */
export interface VaultAdministration {
  /** HPKE keys that open requests now, the newest first. @throws ServiceError `session_unavailable` */
  sealingKeys(account: Account): Promise<SealingKeyInfo[]>;
  /**
   * Makes another, and returns when it is attested and listed.
   * @param endOlder all before it open nothing any more
   * @throws ServiceError `session_unavailable`; VaultError `sealing_keys_limit`
   */
  rotate(account: Account, endOlder: boolean): Promise<SealingKeyInfo[]>;
}

export function vaultAdministration(keeper: Pick<Keeper, "tendSealingKeys">): VaultAdministration {
  return {
    async sealingKeys(account) {
      requireOperator(account);
      return await keeper.tendSealingKeys("look");
    },
    async rotate(account, endOlder) {
      requireOperator(account);
      return await keeper.tendSealingKeys(endOlder ? "rotateAndEnd" : "rotate");
    },
  };
}

function requireOperator({ tenantId }: Account): void {
  if (tenantId !== DEFAULT_TENANT)
    throw new ServiceError("scope_missing", "only the operator's tenant sees the vault's keys");
}
