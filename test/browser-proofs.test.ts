/** Proof bundles in a browser, under a strict Content Security Policy: the same verdicts as in Node, to the byte. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadProofVerifier } from "../client/index.ts";
import { bundle, hasChromium, launchChromium, WITHOUT_CHROMIUM } from "./browser.ts";
import type { ProofsPage } from "./browser-proofs-page.ts";
import { proofCases } from "./proof-cases.ts";
import { proofVerdictOf } from "./proof-verdict.ts";
import { createIssuer } from "./receipt-fixture.ts";

const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";
const WASM = new URL("../node_modules/@ezkljs/engine/web/ezkl_bg.wasm", import.meta.url);

function serve(script: string): Promise<Server> {
  const files: Record<string, [string, string | Buffer]> = {
    "/": ["text/html; charset=utf-8", '<!doctype html><script type="module" src="/page.js"></script>'],
    "/page.js": ["text/javascript", script],
    "/ezkl_bg.wasm": ["application/wasm", readFileSync(WASM)],
  };
  const server = createServer((request, answer) => {
    const file = files[request.url ?? "/"];
    if (!file) return void answer.writeHead(404).end();
    answer.setHeader("content-security-policy", POLICY);
    answer.setHeader("content-type", file[0]);
    answer.end(file[1]);
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done(server)));
}

describe.skipIf(!hasChromium)(`a browser${WITHOUT_CHROMIUM}`, () => {
  let browser: Browser;
  let server: Server;
  let tab: Page;

  beforeAll(async () => {
    const { text, inputs } = await bundle("./browser-proofs-page.ts");
    expect(inputs.filter((path) => path.includes(".node."))).toEqual([]);
    server = await serve(text);
    browser = await launchChromium();
    tab = await browser.newPage();
    await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await tab.waitForFunction(() => "proofsPage" in globalThis);
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    await new Promise((done) => (server ? server.close(done) : done(undefined)));
  });

  it("gives every tampered proof bundle the verdict that Node gives, claims and steps and all", async () => {
    const cases = proofCases(await createIssuer(), await createIssuer({ seed: 2 }));
    const verifier = await loadProofVerifier();
    const found = await tab.evaluate(
      (given) => (globalThis as unknown as { proofsPage: ProofsPage }).proofsPage.verdicts(given),
      cases,
    );
    expect(found.length).toBeGreaterThan(40);
    expect(found).toEqual(cases.map((one) => JSON.stringify(proofVerdictOf(one, verifier))));
    expect(found.filter((line) => line.includes('"verdict":"accepted"')).length).toBeGreaterThan(3);
  }, 90_000);
});
