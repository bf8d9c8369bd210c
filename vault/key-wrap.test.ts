/** The key file under a key of dstack's, whose guest agent is played by a socket. */
import { once } from "node:events";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../codec/index.ts";
import { startVault } from "./start.ts";
import { newKeyDirectory, start } from "./vault.test-support.ts";

const folder = mkdtempSync(join(tmpdir(), "key-wrap-"));
const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
/** What the agent answers, by socket. */
const answers: Record<string, string> = {
  ours: JSON.stringify({ key: "11".repeat(32), signature_chain: ["00"] }),
  others: JSON.stringify({ key: "22".repeat(32), signature_chain: [] }),
  short: JSON.stringify({ key: "11".repeat(31) }),
};
const asked: unknown[] = [];
const servers: Server[] = [];

const socketOf = (name: string) => join(folder, name);
const wrap = (name: string) => `dstack:${socketOf(name)}`;

beforeAll(async () => {
  chmodSync(folder, 0o755);
  for (const [name, body] of Object.entries(answers)) {
    const server = createServer((request, response) => {
      let text = "";
      request.on("data", (part) => (text += String(part)));
      request.on("end", () => {
        asked.push([request.url, JSON.parse(text)]);
        response.end(body);
      });
    }).listen(socketOf(name));
    await once(server, "listening");
    servers.push(server);
  }
});
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("a sealed key file", () => {
  it("is read again, also from a copy on another instance, and by no other application", async () => {
    const directory = newKeyDirectory();
    const first = await start(directory, [], { keyWrap: wrap("ours") });
    const { logPublicKey } = first.info;
    await first.tendSealingKeys("rotate");
    await first.close();
    expect(asked).toContainEqual(["/GetKey", { path: "affidavit/key-file", purpose: "encryption" }]);
    const file = readFileSync(join(directory, "cluster.keys"));
    expect(file.subarray(0, 8).toString()).toBe("AFFWRAP\0");
    const copy = newKeyDirectory();
    cpSync(directory, copy, { recursive: true });
    chmodSync(copy, 0o700);
    const second = await start(copy, [], { keyWrap: wrap("ours") });
    expect(second.info.logPublicKey).toEqual(logPublicKey);
    expect((await second.tendSealingKeys("look")).map(({ epoch }) => epoch)).toEqual([2, 1]);
    await second.close();
    const cases: [string, string][] = [
      ["key_file_invalid", wrap("others")],
      ["key_wrap_missing", "none"],
      ["key_wrap_unavailable", wrap("short")],
      ["key_wrap_unavailable", wrap("absent")],
    ];
    for (const [code, keyWrap] of cases) {
      const lines: string[] = [];
      const options = {
        keyDirectory: copy,
        attestation: "simulated",
        keyWrap,
        log: (line: string) => void lines.push(line),
      };
      await expect(startVault(options), keyWrap).rejects.toEqual(refusal(code));
      expect(lines.join()).not.toContain("11".repeat(8));
    }
  });

  it("is made of a plain one at the next start", async () => {
    const directory = newKeyDirectory();
    const plain = await start(directory);
    const { logPublicKey } = plain.info;
    await plain.close();
    const before = readFileSync(join(directory, "cluster.keys"));
    const sealed = await start(directory, [], { keyWrap: wrap("ours") });
    expect(sealed.info.logPublicKey).toEqual(logPublicKey);
    const file = readFileSync(join(directory, "cluster.keys"));
    expect(toHex(file)).not.toContain(toHex(before.subarray(56, 88)));
    expect(file.length).toBe(before.length + 40);
  });
});
