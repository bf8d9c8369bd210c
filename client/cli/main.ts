/** The command `affidavit`: exits 0 for yes, 1 for no, 2 for an unreadable file or bad flags, 3 for a fault of its own. */
import { COMMANDS } from "./commands/index.ts";
import { UsageError, failure, type Command } from "./command.ts";

function usage(): string {
  const lines = Object.entries(COMMANDS).map(([name, command]) => `  ${name.padEnd(20)} ${command.summary}`);
  return [
    "affidavit: answers of an attested service, and the receipts that prove them",
    "",
    ...lines,
    "",
    "affidavit COMMAND --help shows a command's flags. Every command has --json: one line for machines.",
    "",
  ].join("\n");
}

function find(words: string[]): { command: Command; rest: string[] } | undefined {
  for (const length of [3, 2, 1]) {
    const name = words.slice(0, length).join(" ");
    if (words.length >= length && Object.hasOwn(COMMANDS, name)) {
      return { command: COMMANDS[name]!, rest: words.slice(length) };
    }
  }
  return undefined;
}

async function main(words: string[]): Promise<number> {
  if (words.length === 0 || words[0] === "--help" || words[0] === "-h" || words[0] === "help") {
    process.stdout.write(usage());
    return words.length === 0 ? 2 : 0;
  }
  const found = find(words);
  if (!found) throw new UsageError(`no command ${JSON.stringify(words[0])}: see affidavit --help`);
  if (found.rest.includes("--help") || found.rest.includes("-h")) {
    process.stdout.write(found.command.help.trim() + "\n");
    return 0;
  }
  return await found.command.run(found.rest);
}

const words = process.argv.slice(2);
try {
  process.exitCode = await main(words);
} catch (error) {
  process.exitCode = failure(error, words.includes("--json"));
}
