/** What the HTTP side and the pipeline need of allowances. */
import type { LedgerRequest } from "../balances/index.ts";
import type { AllowanceRow } from "./db/allowances.ts";
import type { Account } from "./services.ts";
import type { Session } from "./session.ts";

export interface ClosingAsked {
  request: LedgerRequest;
  signature: Uint8Array;
}

export interface AllowanceAsked extends ClosingAsked {
  /** Sealed to the cluster's vaults: docs/spec/balances.md. */
  terms: Uint8Array;
}

/** How an allowance stands; not what it holds. */
export type AllowanceView = AllowanceRow;

/** An allowance that pays for one inference. */
export interface Paying {
  /** 32 bytes. */
  id: Uint8Array;
  /** The vault signed nothing, for this reason. */
  refused(error: unknown): void;
  /** The vault signed, and what it signed is not known to be stored. */
  lost(): Promise<void>;
  /** The inference is over, either way. */
  release(): void;
}

/** Each throws BalanceError, VaultError or ServiceError where it says no. */
export interface LedgerAllowances {
  /** JSON text of the price list in force. @throws ServiceError `allowances_off` */
  prices(): string;
  open(caller: Account, account: Uint8Array, asked: AllowanceAsked): Promise<AllowanceView>;
  list(caller: Account, account: Uint8Array): Promise<AllowanceView[]>;
  find(caller: Account, account: Uint8Array, id: Uint8Array): Promise<AllowanceView>;
  close(caller: Account, account: Uint8Array, id: Uint8Array, asked: ClosingAsked): Promise<AllowanceView>;
  hold(caller: Account, id: Uint8Array, session: Session, modelId: Uint8Array): Promise<Paying>;
}
