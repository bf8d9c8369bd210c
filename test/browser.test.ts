/** The SDK as a browser has it: bundled without anything of Node, and of one mind with Node about every tampered receipt. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page as Tab } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serializeBundle, serializePrivatePart } from "../receipts/index.ts";
import { bundle, hasChromium, launchChromium, WITHOUT_CHROMIUM } from "./browser.ts";
import type { Asked, Page } from "./browser-page.ts";
import { createFixtureService, type FixtureService } from "./fixture-service.ts";
import { responseBody } from "./model-fixture.ts";
import { createIssuer, NOW_MS } from "./receipt-fixture.ts";
import { fieldCases, memberCases, privateCases } from "./tamper-cases.ts";
import { verdictOf, type VerdictCase } from "./verdict.ts";

describe("the SDK's bundle", () => {
  it("builds for browsers with nothing of Node in it", async () => {
    const { text, inputs } = await bundle("../client/index.ts");
    expect(text).not.toMatch(/["']node:/);
    expect(text).not.toMatch(/\brequire\(/);
    const files = inputs.map((path) => path.slice(path.lastIndexOf("/") + 1));
    expect(files).toContain("hash.browser.ts");
    expect(files).toContain("p256.browser.ts");
    expect(files.filter((name) => name.includes(".node."))).toEqual([]);
    expect(inputs.filter((path) => /(^|\/)client\/cli\/|(^|\/)service\/|\/attest\//.test(path))).toEqual([]);
  });
});

describe.skipIf(!hasChromium)(`a browser${WITHOUT_CHROMIUM}`, () => {
  let browser: Browser;
  let server: Server;
  let service: FixtureService;
  let tab: Tab;

  beforeAll(async () => {
    service = await createFixtureService();
    const { text } = await bundle("./browser-page.ts");
    server = createServer((request, answer) => {
      const path = request.url ?? "/";
      if (path === "/" || path === "/page.js") {
        answer.setHeader("content-type", path === "/" ? "text/html; charset=utf-8" : "text/javascript");
        answer.end(path === "/" ? '<!doctype html><script type="module" src="/page.js"></script>' : text);
        return;
      }
      if (!/^\/v[12]\//.test(path)) {
        answer.writeHead(404).end();
        return;
      }
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", async () => {
        const headers = new Headers(request.headers as Record<string, string>);
        const body = Buffer.concat(parts);
        const given = await service.fetch(`http://fixture.test${path}`, { method: "POST", headers, body });
        answer.writeHead(given.status, Object.fromEntries(given.headers));
        answer.end(Buffer.from(await given.arrayBuffer()));
      });
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    browser = await launchChromium();
    tab = await browser.newPage();
    await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await tab.waitForFunction(() => "page" in globalThis);
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    await new Promise((done) => (server ? server.close(done) : done(undefined)));
  });

  const infer = (asked: Asked) =>
    tab.evaluate((given) => (globalThis as unknown as { page: Page }).page.infer(given), asked);

  it("gives every tampered receipt the verdict that Node gives", async () => {
    const issuer = await createIssuer();
    const receipt = issuer.issue({}, { included: true });
    const other = (await createIssuer({ seed: 2 })).issue({}, { included: true });
    const whole: VerdictCase = {
      name: "whole",
      bundle: serializeBundle(receipt.bundle),
      privatePart: serializePrivatePart(receipt.privatePart),
      nowMs: NOW_MS,
      code: "ok",
    };
    const refused = { ...whole, name: "simulated", policy: {}, code: "simulated_refused" };
    const matrix = [...fieldCases(issuer, receipt), ...memberCases(receipt, other), ...privateCases(receipt)];
    const cases = [whole, refused, ...matrix];
    const found = await tab.evaluate(
      (given) => (globalThis as unknown as { page: Page }).page.verdicts(given),
      cases,
    );
    expect(found.length).toBeGreaterThan(130);
    expect(found).toEqual(cases.map((one) => verdictOf(one).code));
    expect(found.slice(0, 2)).toEqual(["ok", "simulated_refused"]);
  }, 60_000);

  it("asks, verifies and refuses with the SDK", async () => {
    const policy = { allowSimulated: true };
    const outputs = [[-1.25], [0.5, 2]];
    expect(await infer({ policy, nowMs: NOW_MS, binary: false })).toEqual({ code: "ok", outputs });
    service.call = { response: responseBody(undefined, { binary: true }) };
    expect(await infer({ policy, nowMs: NOW_MS, binary: true })).toEqual({ code: "ok", outputs });
    expect((await infer({ policy: {}, nowMs: NOW_MS, binary: false })).code).toBe("simulated_refused");
    // Two answers that were read, by a browser's own X25519 and AES; the refused call sent nothing.
    const asked = service.heard.filter(({ path }) => path.endsWith("/infer"));
    expect(asked.map(({ wasSealed }) => wasSealed)).toEqual([true, true]);
    service.call = {};
    service.tamper = async (path, given) =>
      path.endsWith("/infer") ? new Response(`${await given.text()} `, { headers: given.headers }) : given;
    expect((await infer({ policy, nowMs: NOW_MS, binary: false })).code).toBe("response_digest_mismatch");
  });
});
