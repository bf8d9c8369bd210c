/** Lists what a run skipped; a skipped suite carries its reason in its name. */
import type { Reporter, TestModule, TestSuite } from "vitest/node";

function skippedNames(collection: TestModule | TestSuite): string[] {
  const names: string[] = [];
  for (const child of collection.children) {
    if (child.type === "suite") {
      const inner = [...child.children.allTests()];
      const all = inner.length > 0 && inner.every((test) => test.result().state === "skipped");
      if (all) names.push(`${child.fullName} (${inner.length} tests)`);
      else names.push(...skippedNames(child));
    } else if (child.result().state === "skipped") names.push(child.fullName);
  }
  return names;
}

export default class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) =>
      skippedNames(module).map((name) => `  ${module.relativeModuleId}: ${name}`),
    );
    if (skipped.length === 0) process.stdout.write("Nothing was skipped.\n");
    else process.stdout.write(`Skipped, each with its reason:\n${skipped.join("\n")}\n`);
    process.stdout.write(totals(modules));
  }
}

function totals(modules: readonly TestModule[]): string {
  const count = { passed: 0, failed: 0, skipped: 0, pending: 0 };
  for (const module of modules) {
    for (const test of module.children.allTests()) count[test.result().state]++;
  }
  return `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`;
}
