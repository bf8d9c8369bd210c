/** dstack's guest agent over a real socket. */
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../codec/index.ts";
import { parseDstack } from "../parse/dstack.ts";
import { developmentQuotes } from "../testing/development-quotes.ts";
import { VECTORS_FOLDER } from "../testing/vectors.ts";
import { openInterfaces } from "./attester.ts";
import { openDstack } from "./dstack.ts";

const reportData = new Uint8Array(64).fill(0x5a);
const quotes = developmentQuotes();
const folder = mkdtempSync(join(tmpdir(), "dstack-"));
const undo: (() => void)[] = [() => rmSync(folder, { recursive: true, force: true })];
let sockets = 0;
afterEach(() => {
  for (const step of undo.splice(1)) step();
});

async function serve(listener: RequestListener): Promise<string> {
  const path = join(folder, `${++sockets}.sock`);
  const server: Server = createServer(listener).listen(path);
  await once(server, "listening");
  undo.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return path;
}

/** An agent with these methods, each given the parsed body. */
function agent(
  methods: Record<string, (body: { report_data: string; hash_algorithm?: string }) => unknown>,
): RequestListener {
  return (request, response) => {
    const method = methods[request.url ?? ""];
    if (!method) return void response.writeHead(404).end("<!DOCTYPE html>");
    let text = "";
    request.on("data", (part) => (text += String(part)));
    request.on("end", () => {
      const answer = method(JSON.parse(text));
      response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
    });
  };
}

const answer = (hex: string) => ({
  quote: toHex(quotes(fromHex(hex))),
  event_log: "[]",
  report_data: hex,
  vm_config: "",
});

async function codeOf(path: string, timeoutMs = 20_000): Promise<unknown> {
  try {
    return await (await openDstack({ path, timeoutMs })).collect(reportData);
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

describe("dstack", () => {
  test("quotes by GetQuote, and by Tappd where that is unknown, with the bytes as they are", async () => {
    const asked: unknown[] = [];
    const note = (body: { report_data: string }) => (asked.push(body), answer(body.report_data));
    for (const name of ["/GetQuote", "/prpc/Tappd.TdxQuote?json"]) {
      const device = await openDstack({ path: await serve(agent({ [name]: note })) });
      const { quote } = await device.collect(reportData);
      expect(parseDstack(quote).reportData).toEqual(reportData);
    }
    const hex = toHex(reportData);
    expect(asked).toEqual([{ report_data: hex }, { report_data: hex, hash_algorithm: "raw" }]);
  });

  test("is an attester whose development root makes it simulated", async () => {
    const path = await serve(agent({ "/GetQuote": ({ report_data }) => answer(report_data) }));
    const { attester, refusals } = await (
      await openInterfaces(`nitro:${folder}/none,dstack:${path}`)
    ).choose();
    expect(refusals).toMatchObject([{ name: "nitro", error: { code: "interface_absent" } }]);
    expect(attester).toMatchObject({ type: "dstack", name: "dstack", simulated: true });
    await expect(attester.quote(new Uint8Array(32))).rejects.toMatchObject({ code: "report_data_size" });
  });

  test("is not simulated instead where it is there and fails", async () => {
    const dead = join(folder, "absent.sock");
    const instead = (await (await openInterfaces(`dstack:${dead},simulated`)).choose()).attester;
    expect(instead).toMatchObject({ name: "simulated", simulated: true });
    const path = await serve((_request, response) => void response.writeHead(500).end());
    const failing = await openInterfaces(`dstack:${path},simulated`);
    await expect(failing.choose()).rejects.toMatchObject({
      code: "attester_unavailable",
      message: expect.stringContaining("answered 500 [interface_failed]"),
    });
  });

  test.each<[string, RequestListener, string]>([
    ["answers 500", (_request, response) => void response.writeHead(500).end(), "interface_failed"],
    ["knows no method", (_request, response) => void response.writeHead(404).end(), "interface_failed"],
    ["hangs up", (request) => void request.socket.destroy(), "interface_failed"],
    ["never answers", () => undefined, "interface_timed_out"],
    ["answers no JSON", agent({ "/GetQuote": () => "quote" }), "reply_malformed"],
    ["answers a list", agent({ "/GetQuote": () => [] }), "reply_malformed"],
    ["answers without a quote", agent({ "/GetQuote": () => ({ event_log: "[]" }) }), "reply_malformed"],
    ["answers a number", agent({ "/GetQuote": () => ({ quote: 1 }) }), "reply_malformed"],
    [
      "cuts the quote",
      agent({ "/GetQuote": (b) => ({ ...answer(b.report_data), quote: "04" }) }),
      "reply_malformed",
    ],
    ["quotes other data", agent({ "/GetQuote": () => answer("00".repeat(64)) }), "reply_malformed"],
    ["answers without end", agent({ "/GetQuote": () => "x".repeat(200_000) }), "reply_malformed"],
    [
      "breaks off",
      (_request, response) =>
        void response.writeHead(200, { "content-length": 9000 }).write("{", () => response.destroy()),
      "interface_failed",
    ],
  ])("an agent that %s is refused", async (_name, listener, code) => {
    // Only silence is late, however slow the machine is.
    const timeoutMs = code === "interface_timed_out" ? 300 : 20_000;
    expect(await codeOf(await serve(listener), timeoutMs)).toBe(code);
  });

  test("no socket, and one that nobody serves any more", async () => {
    expect(await codeOf(join(folder, "none.sock"))).toBe("interface_absent");
    const path = join(folder, "dead.sock");
    const { execFileSync } = await import("node:child_process");
    // A server that is killed leaves its socket behind.
    const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
    expect(() => execFileSync(process.execPath, ["-e", script], { stdio: "ignore" })).toThrow();
    expect(existsSync(path)).toBe(true);
    expect(await codeOf(path)).toBe("interface_failed");
  });

  const real = join(VECTORS_FOLDER, "dstack", "quote-report.json");
  test.skipIf(!existsSync(real))("hands a real report on (needs the vectors)", async () => {
    const text = readFileSync(real, "utf8");
    const whole = parseDstack(new Uint8Array(Buffer.from(text)));
    const path = await serve(agent({ "/GetQuote": () => text }));
    const data = (await import("../parse/dcap.ts")).parseQuote(whole.quote).body.reportData;
    const { quote } = await (await openDstack({ path })).collect(new Uint8Array(data));
    expect(parseDstack(quote).quote).toEqual(whole.quote);
    expect(parseDstack(quote).eventLog).toEqual(whole.eventLog);
  });
});
