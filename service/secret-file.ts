/** Secrets of the configuration folder, each made (mode 0600) where it is not there yet. */
import { mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";

/** The file's text. Of several that start at once, one makes it. */
export async function provideSecret(file: string, draw: () => string): Promise<string> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  return (await readFile(file, "utf8").catch(absent)) ?? (await make(file, draw()));
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

async function make(file: string, text: string): Promise<string> {
  try {
    const handle = await open(file, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return await readFile(file, "utf8");
  }
}
