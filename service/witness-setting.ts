/** How the settings name log witnesses. */
import { z } from "zod";
import { NOTE_TYPE_COSIGNATURE, parseVerifierKey, ReceiptError, type NoteKey } from "../receipts/index.ts";

export interface WitnessSetting {
  key: NoteKey;
  /** Submission prefix, without a slash at its end. */
  url: string;
}

/** `<verifier key> <URL>` of each log witness, separated by commas. */
export const witnesses = z
  .string()
  .max(16_384)
  .transform((text, context) => {
    const pairs = text.split(",").map((pair) => pair.trim().split(/ +/));
    const parsed = pairs.map(([key = "", url = "", ...rest]) => readWitness(key, url, rest));
    const sound = parsed.filter((witness) => witness !== undefined);
    const names = new Set(sound.map(({ key }) => key.name));
    if (sound.length === pairs.length && names.size === sound.length && sound.length <= 16) return sound;
    context.addIssue(
      "1 to 16 different log witnesses, each as: verifier key, space, URL; separated by commas",
    );
    return z.NEVER;
  });

function readWitness(key: string, url: string, rest: string[]): WitnessSetting | undefined {
  if (rest.length > 0 || !/^https?:\/\/[^\s]{1,2000}$/.test(url) || !URL.canParse(url)) return undefined;
  try {
    return { key: parseVerifierKey(key, NOTE_TYPE_COSIGNATURE), url: new URL(url).href.replace(/\/$/, "") };
  } catch (error) {
    if (error instanceof ReceiptError) return undefined;
    throw error;
  }
}
