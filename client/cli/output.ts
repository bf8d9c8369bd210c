/** Text for people: plain where nobody watches, colour on a terminal. */
const COLOURS = { green: 32, red: 31, yellow: 33, dim: 2, bold: 1 } as const;

export function paint(colour: keyof typeof COLOURS, text: string): string {
  return process.stdout.isTTY && !("NO_COLOR" in process.env)
    ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m`
    : text;
}

/** Untrusted text for a terminal: control characters shown, length bounded. */
export function printable(text: string, maxLength = 200): string {
  const shown = text.replaceAll(/[\p{Cc}\p{Cf}]/gu, "\u{fffd}");
  return shown.length > maxLength ? shown.slice(0, maxLength) + "…" : shown;
}

/** Rows of cells in columns. */
export function table(rows: string[][]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
