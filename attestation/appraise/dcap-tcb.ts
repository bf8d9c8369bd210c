/** Whether a platform is current enough for a policy. */
import { AttestationError } from "../error.ts";
import { isoTime } from "../verify/chain.ts";
import { describeLag, type TcbEvaluation, type TcbPart } from "../verify/dcap-tcb.ts";
import type { AppraisalContext } from "./appraisal.ts";

const DAY_SECONDS = 86_400;

function lagOf(parts: readonly TcbPart[]): string {
  const lags = parts.map(describeLag).filter((lag) => lag !== undefined);
  return lags.length === 0 ? "" : `: ${lags.join("; ")}`;
}

function isInGrace(parts: readonly TcbPart[], graceDays: number, nowSeconds: number): boolean {
  return parts.every(
    ({ level, newestDate }) =>
      level.tcbDate >= newestDate || level.tcbDate + graceDays * DAY_SECONDS >= nowSeconds,
  );
}

/** @throws AttestationError `tcb_revoked`, `tcb_status_refused`, `tcb_date_refused`, `tcb_evaluation_refused`, `advisory_refused` */
export function checkTcb(tcb: TcbEvaluation, { checks, policy, nowSeconds }: AppraisalContext): void {
  const { acceptedStatuses, acceptedAdvisoryIds, graceDays, minimumTcbDate } = policy.tcb;
  const lag = lagOf(tcb.parts);
  checks.run("tcb_status", `TCB status is ${tcb.status}${lag}`, () => {
    if (tcb.status === "Revoked") throw new AttestationError("tcb_revoked", `TCB status is Revoked${lag}`);
    if (acceptedStatuses.includes(tcb.status)) return;
    const outOfDate = tcb.status.startsWith("OutOfDate") && graceDays > 0;
    if (outOfDate && isInGrace(tcb.parts, graceDays, nowSeconds)) return;
    throw new AttestationError("tcb_status_refused", `TCB status ${tcb.status} is not accepted${lag}`);
  });
  if (minimumTcbDate !== undefined) {
    checks.run("tcb_date", "TCB level is recent enough", () => {
      if (tcb.tcbDate >= minimumTcbDate) return;
      const dates = `tcb level ${isoTime(tcb.tcbDate).slice(0, 10)}, required ${isoTime(minimumTcbDate).slice(0, 10)}`;
      throw new AttestationError("tcb_date_refused", dates);
    });
  }
  const { minimumEvaluationDataNumber } = policy.tcb;
  if (minimumEvaluationDataNumber !== undefined) {
    checks.run("tcb_evaluation", "TCB info is of a recent evaluation", () => {
      if (tcb.evaluationDataNumber >= minimumEvaluationDataNumber) return;
      const numbers = `${tcb.evaluationDataNumber}, required ${minimumEvaluationDataNumber}`;
      throw new AttestationError("tcb_evaluation_refused", `TCB evaluation data number ${numbers}`);
    });
  }
  if (acceptedAdvisoryIds !== undefined) {
    checks.run("advisories", "every advisory that applies is accepted", () => {
      const refused = tcb.advisoryIds.filter((id) => !acceptedAdvisoryIds.includes(id));
      if (refused.length > 0)
        throw new AttestationError("advisory_refused", `advisories apply: ${refused.join(", ")}`);
    });
  }
}
