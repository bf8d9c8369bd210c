/** Runs a command as `main.ts` does, in this process. */
import { vi } from "vitest";
import { failure, type Command } from "../command.ts";

export interface CommandRun {
  status: number;
  stdout: string;
  stderr: string;
}

export async function runCommand(command: Command, words: string[]): Promise<CommandRun> {
  const written = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      written[name] += String(text);
      return true;
    }),
  );
  try {
    const status = await command
      .run(words)
      .catch((error: unknown) => failure(error, words.includes("--json")));
    return { status, ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** The one line that `--json` promises. */
export function jsonLine(stdout: string): Record<string, unknown> {
  const lines = stdout.split("\n");
  if (lines.length !== 2 || lines[1] !== "") throw new Error(`not one line: ${JSON.stringify(stdout)}`);
  return JSON.parse(lines[0]!) as Record<string, unknown>;
}
