/** Where clear money comes from. Browser-safe. */
import { BalanceError } from "./error.ts";
import { OPERATIONS } from "./operation.ts";
import type { Owner } from "./owner.ts";
import { verifyOrder, type LedgerOrder } from "./request.ts";

/** The operator's signed word. */
export interface SignedOrder {
  order: LedgerOrder;
  /** By the operator's key, as `checkOwnerSignature` wants it. */
  signature: Uint8Array;
}

/** An amount that an account has a right to, once. */
export interface Credit {
  /** `payment`: settled in clear. `voucher`: an operator said so, and nobody was seen to pay. */
  source: "payment" | "voucher";
  /** 32 bytes, one for each credit of the ledger. */
  reference: Uint8Array;
  account: Uint8Array;
  amountAtomic: bigint;
  /** What a voucher rests on; null for a payment. */
  voucher: SignedOrder | null;
}

/** Turns a claim into a credit, or refuses it. That a reference counts once, `Supply` and the writer's database hold. */
export interface CreditSource<Claim> {
  /** @throws BalanceError why the claim is good for nothing */
  redeem(claim: Claim, nowMs: bigint): Promise<Credit>;
}

/** Vouchers: what stands in for payments until there are some. */
export function voucherCredits(context: {
  operator: Owner;
  serverKeyDigest: Uint8Array;
}): CreditSource<SignedOrder> {
  return {
    async redeem(voucher, nowMs) {
      const { order, signature } = voucher;
      verifyOrder(order, signature, { ...context, nowMs });
      if (order.operation !== OPERATIONS.credit)
        throw new BalanceError("order_invalid", "the order gives no credit");
      const { reference, account, amountAtomic } = order;
      return { source: "voucher", reference, account, amountAtomic, voucher };
    },
  };
}
