/** What the pool counts for its statistics. */
import type { HostSlot } from "./slot.ts";

export class Counts {
  completed = 0;
  failed = 0;
  cancelled = 0;
  overloaded = 0;
  timeouts = 0;
  crashes = 0;
  providerFailures = 0;

  death({ killedFor }: HostSlot): void {
    if (killedFor === "timeout") this.timeouts++;
    else if (killedFor === "provider") this.providerFailures++;
    else if (killedFor !== "closed") this.crashes++;
  }
}
