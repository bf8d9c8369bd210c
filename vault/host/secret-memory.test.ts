import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { drawClusterKeys, encodeClusterKeys, parseClusterKeys } from "./cluster-keys.ts";
import { keepSecret, secretsAreLocked } from "./secret-memory.ts";

/** A region of this process's memory as the kernel lists it. */
function regions(): { start: bigint; end: bigint; flags: string[] }[] {
  const found: { start: bigint; end: bigint; flags: string[] }[] = [];
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line) ?? [];
    if (start && end) found.push({ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), flags: [] });
    const flags = /^VmFlags: (.*)$/.exec(line)?.[1];
    if (flags) found.at(-1)!.flags = flags.trim().split(" ");
  }
  return found;
}

/** Where in locked regions these bytes lie. */
function lockedRegionsWith(bytes: Buffer): string[][] {
  return regions()
    .filter(({ flags }) => flags.includes("lo"))
    .filter(({ start, end }) => readMemory(start, Number(end - start)).includes(bytes))
    .map(({ flags }) => flags);
}

function readMemory(start: bigint, byteLength: number): Buffer {
  const descriptor = openSync("/proc/self/mem", "r");
  const buffer = Buffer.alloc(byteLength);
  readSync(descriptor, buffer, 0, byteLength, start);
  closeSync(descriptor);
  return buffer;
}

describe.skipIf(process.platform !== "linux")("kept secrets (Linux)", () => {
  it("lie in locked memory that no core file and no fork gets, and nowhere where they came from", () => {
    const secret = randomBytes(32);
    const looked = Buffer.from(secret.map((byte) => byte ^ 0xff));
    const kept = keepSecret(secret);
    expect(secret).toEqual(Buffer.alloc(32));
    expect(Buffer.from(kept.map((byte) => byte ^ 0xff))).toEqual(looked);
    expect(secretsAreLocked()).toBe(true);
    const found = lockedRegionsWith(Buffer.from(looked.map((byte) => byte ^ 0xff)));
    expect(found).toHaveLength(1);
    // Linux's names: locked, left out of core files, not copied by fork.
    expect(found[0]).toEqual(expect.arrayContaining(["lo", "dd", "dc"]));
  });

  it("are the cluster's keys, drawn or read, and the file that they were read from holds them no more", () => {
    const keys = drawClusterKeys(1);
    const file = Buffer.from(encodeClusterKeys(keys));
    const read = parseClusterKeys(file, 1).keys;
    expect(read).toEqual(keys);
    for (const secret of [
      read.logSeed,
      read.storageKey,
      read.chainKey,
      read.fheSeed,
      read.sealingKeys[0]!.secretKey,
    ]) {
      expect(file.includes(Buffer.from(secret))).toBe(false);
      expect(lockedRegionsWith(Buffer.from(secret)).length).toBeGreaterThan(0);
    }
  });
});

it("more than a page of them keep their values", () => {
  const secrets = Array.from({ length: 300 }, () => randomBytes(32));
  const copies = secrets.map((secret) => Buffer.from(secret));
  const kept = secrets.map(keepSecret);
  expect(kept.map((one) => Buffer.from(one))).toEqual(copies);
  expect(() => keepSecret(new Uint8Array(31))).toThrow(RangeError);
});
