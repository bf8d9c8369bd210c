/** What a receipt's contract form takes from the service: deliveries by their ids, and its place in an anchored head. */
import { fromHex } from "../../codec/index.ts";
import { parseReceiptHeader, ReceiptError } from "../../receipts/index.ts";
import type { Delivery } from "../chain/index.ts";
import { AffidavitError } from "../errors.ts";
import type { Transport } from "../transport.ts";
import { objectOf, readObject, textMember } from "./admin.ts";
import { RefusedError } from "./command.ts";
import { printable } from "./output.ts";

const KINDS = {
  Proof: { path: "/v1/proofs", name: "proof" },
  Reexecution: { path: "/v1/reexecutions", name: "re-execution" },
} as const;

/**
 * What was signed of a proof's or a re-execution's end; the contract checks it.
 * @throws RefusedError `delivery_missing` where it has not ended; AffidavitError
 */
export async function fetchDelivery<T extends keyof typeof KINDS>(
  transport: Transport,
  type: T,
  id: string,
): Promise<Delivery<T>> {
  const { path, name } = KINDS[type];
  const seen = readObject(await transport.send(`${path}/${id}`, {}));
  if (seen["outcome"] === null)
    throw new RefusedError("delivery_missing", `the ${name} is ${printable(textMember(seen, "state"))}`);
  const outcome = objectOf(seen["outcome"]);
  return answered(() => {
    const { type: signed, statement, signature } = parseReceiptHeader(textMember(outcome, "statement"));
    if (signed !== type) throw new ReceiptError("header_invalid", `a ${signed} where a ${type} belongs`);
    const keysetDigest = bytesOf(textMember(outcome, "keysetDigest"));
    return { statement: statement as Delivery<T>["statement"], keysetDigest, signature };
  });
}

/**
 * The statement's place in the log's tree of that size; the contract checks it.
 * @throws AffidavitError `request_rejected` where that tree has it not
 */
export async function fetchInclusion(transport: Transport, receiptId: string, size: bigint) {
  const seen = readObject(await transport.send(`/v1/receipts/${receiptId}/inclusion?size=${size}`, {}));
  return answered(() => {
    const index = textMember(seen, "leafIndex");
    const { proof } = seen;
    if (!/^\d{1,19}$/.test(index) || !Array.isArray(proof) || proof.length > 64)
      throw new ReceiptError("bundle_invalid", "not an inclusion proof");
    return { size, index: BigInt(index), proof: proof.map((hash) => bytesOf(String(hash))) };
  });
}

function bytesOf(text: string): Uint8Array {
  if (!/^0x[0-9a-f]{64}$/.test(text)) throw new ReceiptError("bundle_invalid", "not 32 bytes in hex");
  return fromHex(text.slice(2));
}

function answered<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof ReceiptError)) throw cause;
    throw new AffidavitError("server_response_invalid", `the service answered ${cause.message}`, { cause });
  }
}
