/** Every form of a mark, in a buffer and across the border of two parts, is found; what is not there is not. */
import { randomBytes } from "node:crypto";
import { patternsOf } from "./marks.ts";
import { Search } from "./search.ts";

/** @param faults takes what does not hold */
export function checkSearch(faults: string[]): void {
  const mark = { name: "planted", bytes: randomBytes(32) };
  for (const { form, bytes } of patternsOf(mark)) {
    const haystack = Buffer.concat([randomBytes(4096), bytes, randomBytes(4096)]);
    const whole = new Search(patternsOf(mark));
    if (whole.bytes(haystack, "planted") === 0) faults.push(`a search does not find ${form}`);
    const split = new Search(patternsOf(mark));
    const border = 4096 + Math.floor(bytes.length / 2);
    split.parts([haystack.subarray(0, border), haystack.subarray(border)], "planted");
    if (split.hits.length !== whole.hits.length) faults.push(`a search of parts does not find ${form}`);
  }
  for (const shift of [0, 1, 2]) {
    const text = Buffer.concat([randomBytes(shift), mark.bytes, randomBytes(7)]).toString("base64");
    const search = new Search(patternsOf(mark));
    if (search.bytes(Buffer.from(text), "planted") === 0)
      faults.push(`a search does not find base64 at ${shift}`);
  }
  const empty = new Search(patternsOf(mark));
  if (empty.bytes(randomBytes(65_536), "noise") !== 0) faults.push("a search finds what is not there");
}
