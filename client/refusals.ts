/** Errors of what lies below the client, as its own. */
import { CodecError } from "../codec/index.ts";
import { ModelError, OipError } from "../models/client.ts";
import { ReceiptError } from "../receipts/index.ts";
import { AffidavitError, type AffidavitErrorCode } from "./errors.ts";
import type { Verification } from "./verification.ts";

/** Runs what may refuse; its refusals become ours, any other error is a fault and passes. */
function translating<T>(code: AffidavitErrorCode, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof SyntaxError) {
      throw new AffidavitError(code, "the server's answer is not JSON", { cause });
    }
    if (
      cause instanceof ReceiptError ||
      cause instanceof CodecError ||
      cause instanceof ModelError ||
      cause instanceof OipError
    ) {
      throw new AffidavitError(code, cause.message, { detail: cause.code, cause });
    }
    throw cause;
  }
}

/** Reads what the server sent. @throws AffidavitError `server_response_invalid` */
export function reading<T>(read: () => T): T {
  return translating("server_response_invalid", read);
}

/** Reads what the caller gave. @throws AffidavitError `request_rejected` */
export function preparing<T>(prepare: () => T): T {
  return translating("request_rejected", prepare);
}

/** @throws AffidavitError `request_rejected` */
export function rejectRequest(message: string, detail: string): never {
  throw new AffidavitError("request_rejected", message, { detail });
}

export function refuse(verification: Verification, code: "receipt_rejected" | "attestation_rejected"): void {
  if (verification.verdict === "accepted") return;
  const { code: detail, message } = verification;
  throw new AffidavitError(code, message, { detail, ...adviceFor(detail), verification });
}

function adviceFor(detail: string): { advice?: string } {
  if (detail === "simulated_refused") {
    return {
      advice:
        "The server runs on a simulated TEE, which proves nothing. To try it out all the same: --allow-simulated.",
    };
  }
  if (detail === "code_identity_unchecked") {
    return {
      advice:
        "The hardware is genuine, but its code was not compared with reference values: give some in the policy, or --allow-unchecked-code.",
    };
  }
  return {};
}
