/** The record of an appraisal: every check by name, in order, with what it rests on. */

export type StepStatus = "pass" | "fail" | "skipped";

/** What a claim rests on. `simulated`: it would be `hardware_proven`, were the root a hardware maker's. */
export type ClaimSource = "hardware_proven" | "verifier_derived" | "operator_asserted" | "simulated";

export interface TranscriptStep {
  readonly step: string;
  readonly status: StepStatus;
  readonly source: ClaimSource;
  readonly detail: string;
}

export type Transcript = readonly TranscriptStep[];

/** Runs checks and writes down how each went. A check fails by throwing; the error passes through. */
export class Checks {
  readonly steps: TranscriptStep[] = [];
  private readonly source: ClaimSource;

  constructor(source: ClaimSource) {
    this.source = source;
  }

  run<T>(step: string, detail: string, check: () => T): T {
    let result: T;
    try {
      result = check();
    } catch (error) {
      this.note(step, "fail", error instanceof Error ? error.message : "failed");
      throw error;
    }
    this.note(step, "pass", detail);
    return result;
  }

  skip(step: string, detail: string): void {
    this.note(step, "skipped", detail);
  }

  note(step: string, status: StepStatus, detail: string, source: ClaimSource = this.source): void {
    this.steps.push({ step, status, source, detail });
  }
}

/** Checks of one part of the evidence among several: each step's name is preceded by the part's. */
export class PartChecks extends Checks {
  private readonly whole: Checks;
  private readonly part: string;

  constructor(whole: Checks, part: string) {
    super("verifier_derived");
    this.whole = whole;
    this.part = part;
  }

  override note(step: string, status: StepStatus, detail: string, source?: ClaimSource): void {
    this.whole.note(`${this.part}.${step}`, status, detail, source);
  }
}
