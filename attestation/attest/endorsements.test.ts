/** Endorsement services played by a server on loopback; what it serves is verified by the verifiers themselves. */
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fromHex, toBase64 } from "../../codec/index.ts";
import { cachedAsk } from "../endorsements/fetch-cache.ts";
import { fetchDcapCollateral } from "../endorsements/fetch-dcap.ts";
import { createAsk } from "../endorsements/fetch-http.ts";
import { fetchOcsp, fetchRim } from "../endorsements/fetch-nvidia.ts";
import { fetchEndorsements, PUBLIC_SOURCES, type EndorsementSources } from "../endorsements/fetch.ts";
import { appraise, parsePolicy, SIMULATED_POLICY } from "../index.ts";
import { testCertificate, testCrl, testKey } from "../testing/certificates.ts";
import { developmentQuotes } from "../testing/development-quotes.ts";
import { TEST_SNP_CHIP_ID, testSnpAuthorities, testSnpEvidence } from "../testing/sev-snp.ts";
import { parsePem } from "../verify/pem.ts";
import { createDiskStore } from "./endorsement-store.ts";
import { pem } from "./der-write.ts";
import { simulatedChains, simulatedCollateral } from "./simulated-platform.ts";

const now = new Date("2026-11-23T12:00:00Z");
const quote = developmentQuotes()(new Uint8Array(64));
const folder = mkdtempSync(join(tmpdir(), "endorsements-"));
type Route = (response: ServerResponse, body: Buffer) => void;
const routes = new Map<string, Route>();
const asked: string[] = [];
let sources: EndorsementSources;

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    asked.push(request.url!);
    const route = routes.get(request.url!);
    if (route) route(response, Buffer.concat(parts));
    else response.writeHead(404).end();
  });
});

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  sources = {
    dcap: { pcs: base, rootCrl: undefined },
    kds: base,
    nvidia: { rim: base, ocsp: `${base}/ocsp` },
  };
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  routes.clear();
  asked.length = 0;
});

function issuerChain(response: ServerResponse, name: string, value: string): void {
  response.setHeader(name, encodeURIComponent(value));
}

/** The simulated platform's collateral, as a PCCS gives it out. */
function servePcs(): void {
  const c = simulatedCollateral(now);
  routes.set("/sgx/certification/v4/pckcrl?ca=platform&encoding=der", (response) => {
    issuerChain(response, "SGX-PCK-CRL-Issuer-Chain", c["pck_crl_issuer_chain"]!);
    response.end(fromHex(c["pck_crl"]!));
  });
  routes.set("/sgx/certification/v4/rootcacrl", (response) => response.end(c["root_ca_crl"]));
  routes.set("/tdx/certification/v4/tcb?fmspc=ffffaff1da17", (response) => {
    issuerChain(response, "TCB-Info-Issuer-Chain", c["tcb_info_issuer_chain"]!);
    response.end(`{"tcbInfo":${c["tcb_info"]},"signature":"${c["tcb_info_signature"]}"}`);
  });
  routes.set("/tdx/certification/v4/qe/identity", (response) => {
    issuerChain(response, "SGX-Enclave-Identity-Issuer-Chain", c["qe_identity_issuer_chain"]!);
    response.end(`{"enclaveIdentity":${c["qe_identity"]},"signature":"${c["qe_identity_signature"]}"}`);
  });
}

const ask = createAsk({ timeoutMs: 20_000 });

describe("fetched endorsements", () => {
  test("of a TDX quote are the collateral that its appraisal wants, byte for byte", async () => {
    servePcs();
    const collateral = await fetchEndorsements({ type: "tdx", quote }, ask, sources);
    expect(collateral).toEqual(simulatedCollateral(now));
    const options = { now, policy: SIMULATED_POLICY };
    expect(appraise({ type: "tdx", quote }, collateral, options)).toMatchObject({
      code: "ok",
      simulated: true,
    });
  });

  describe("of a quote that only names its platform", () => {
    const ppid = Uint8Array.from({ length: 404 }, (_, i) => i % 251);
    const named = developmentQuotes({}, { certificationType: 3, certification: ppid })(new Uint8Array(64));
    const [pck, platform, root] = parsePem(simulatedChains().pckChainPem).map((der) =>
      pem("CERTIFICATE", der),
    );
    const hex = (from: number, to: number) => Buffer.from(ppid.subarray(from, to)).toString("hex");
    const query = `encrypted_ppid=${hex(0, 384)}&cpusvn=${hex(384, 400)}&pcesvn=${hex(400, 402)}&pceid=${hex(402, 404)}`;
    const qeid = `&qeid=${"00".repeat(16)}`;

    test("bring the PCK chain too, from a PCCS", async () => {
      servePcs();
      routes.set(`/sgx/certification/v4/pckcert?${query}${qeid}`, (response) => {
        issuerChain(response, "SGX-PCK-Certificate-Issuer-Chain", platform! + root!);
        response.end(pck!);
      });
      const collateral = await fetchEndorsements({ type: "tdx", quote: named }, ask, sources);
      expect(collateral).toMatchObject({ pck_certificate_chain: pck! + platform! + root! });
      const appraised = appraise({ type: "tdx", quote: named }, collateral, {
        now,
        policy: SIMULATED_POLICY,
      });
      expect(appraised).toMatchObject({ code: "ok", simulated: true });
    });

    test("send a subscription's key to Intel's own service alone, and no more than it knows", async () => {
      servePcs();
      let key: unknown;
      server.once("request", (request) => (key = request.headers["ocp-apim-subscription-key"]));
      routes.set(`/sgx/certification/v4/pckcert?${query}`, (response) => {
        issuerChain(response, "SGX-PCK-Certificate-Issuer-Chain", platform! + root!);
        response.end(pck!);
      });
      const rootCrl = `${sources.dcap.pcs}/sgx/certification/v4/rootcacrl`;
      const dcap = { ...sources.dcap, rootCrl, subscriptionKey: "0123456789abcdef" };
      await fetchDcapCollateral(named, ask, dcap);
      expect(key).toBe("0123456789abcdef");
    });

    test("are refused where the service does not know the platform", async () => {
      servePcs();
      await expect(fetchDcapCollateral(named, ask, sources.dcap)).rejects.toMatchObject({
        code: "endorsement_not_found",
      });
    });
  });

  test.each<[string, string, Route, string]>([
    ["no signature", "/tdx/certification/v4/qe/identity", (r) => r.end("{}"), "endorsement_malformed"],
    ["HTML", "/sgx/certification/v4/rootcacrl", (r) => r.end("<html>"), "endorsement_malformed"],
    [
      "no chain",
      "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
      (r) => r.end(Buffer.from([0x30, 0])),
      "endorsement_malformed",
    ],
    [
      "503",
      "/tdx/certification/v4/tcb?fmspc=ffffaff1da17",
      (r) => r.writeHead(503).end(),
      "endorsement_refused",
    ],
    [
      "404",
      "/tdx/certification/v4/tcb?fmspc=ffffaff1da17",
      (r) => r.writeHead(404).end(),
      "endorsement_not_found",
    ],
    [
      "a redirection",
      "/sgx/certification/v4/rootcacrl",
      (r) => r.writeHead(302, { location: "/" }).end(),
      "endorsement_unreachable",
    ],
    ["silence", "/sgx/certification/v4/rootcacrl", () => undefined, "endorsement_timed_out"],
    ["a broken connection", "/sgx/certification/v4/rootcacrl", (r) => r.destroy(), "endorsement_unreachable"],
    [
      "too much",
      "/sgx/certification/v4/rootcacrl",
      (r) => r.end(Buffer.alloc(3 << 20)),
      "endorsement_too_large",
    ],
  ])("with %s are refused", async (_name, path, route, code) => {
    servePcs();
    routes.set(path, route);
    // Long for whoever answers, so that only silence is late.
    const hasty = createAsk({ timeoutMs: code === "endorsement_timed_out" ? 300 : 20_000 });
    await expect(fetchDcapCollateral(quote, hasty, sources.dcap)).rejects.toMatchObject({ code });
  });

  test("of an SNP report are found by its chip and TCB", async () => {
    const { report, certificates, root } = testSnpEvidence();
    const { askDer, root: rootKey } = testSnpAuthorities("Genoa");
    const crl = testCrl({ issuer: rootKey });
    const chip = Buffer.from(TEST_SNP_CHIP_ID.Genoa).toString("hex");
    routes.set(`/vcek/v1/Genoa/${chip}?blSPL=10&teeSPL=1&snpSPL=23&ucodeSPL=84`, (r) =>
      r.end(certificates[0]),
    );
    routes.set("/vcek/v1/Genoa/cert_chain", (r) =>
      r.end(pem("CERTIFICATE", askDer) + pem("CERTIFICATE", root)),
    );
    routes.set("/vcek/v1/Genoa/crl", (r) => r.end(crl));
    const endorsements = await fetchEndorsements({ type: "sev-snp", quote: report }, ask, sources);
    expect(endorsements).toMatchObject({ crls: [toBase64(crl)] });
    const policy = parsePolicy({
      formatVersion: 1,
      codeIdentity: "reported",
      roots: [{ certificate: toBase64(root) }],
    });
    expect(appraise({ type: "sev-snp", quote: report }, endorsements, { now, policy }).code).toBe("ok");
  });

  test("of a report under a VLEK are the host's, and there are none without them", async () => {
    const { report, certificates } = testSnpEvidence({ kind: "vlek" });
    const evidence = { type: "sev-snp" as const, quote: report };
    await expect(fetchEndorsements(evidence, ask, sources)).rejects.toMatchObject({
      code: "endorsement_unsupported",
    });
    routes.set("/vlek/v1/Genoa/cert_chain", (r) => r.end(pem("CERTIFICATE", certificates[1]!)));
    routes.set("/vlek/v1/Genoa/crl", (r) => r.end(testCrl({ issuer: testSnpAuthorities("Genoa").root })));
    const given = await fetchEndorsements({ ...evidence, certificates: [certificates[0]!] }, ask, sources);
    expect(given).toMatchObject({ certificates: certificates.map(toBase64) });
  });

  test("of NVIDIA: manifests by name, OCSP responses for the chain between leaf and root", async () => {
    routes.set("/v1/rim/NV_GPU_DRIVER_GH100_550", (r) =>
      r.end(JSON.stringify({ rim: toBase64(Buffer.from("<x/>")) })),
    );
    expect(await fetchRim("NV_GPU_DRIVER_GH100_550", ask, sources.nvidia)).toBe("<x/>");
    await expect(fetchRim("../x", ask, sources.nvidia)).rejects.toMatchObject({
      code: "endorsement_unsupported",
    });
    const [root, middle, leaf] = ["root", "middle", "leaf"].map((name) => testKey(name, "p384"));
    const chain = [
      testCertificate({ subject: leaf!, issuer: middle! }),
      testCertificate({ subject: middle!, issuer: root!, authority: true, serial: 77 }),
      testCertificate({ subject: root!, issuer: root!, authority: true }),
    ];
    const bodies: Buffer[] = [];
    routes.set("/ocsp", (r, body) => (bodies.push(body), r.end(Buffer.from([0x30, 3, 10, 1, 6]))));
    expect(await fetchOcsp(chain, ask, sources.nvidia)).toEqual([toBase64(Buffer.from([0x30, 3, 10, 1, 6]))]);
    // The request ends with the serial number, and holds the issuer's hashes.
    expect(bodies.map((body) => body.subarray(-3).toString("hex"))).toEqual(["02014d"]);
  });
});

describe("the cache", () => {
  const HOUR = 3_600_000;
  let nowMs = 0;
  let directory: string;
  let count = 0;
  beforeEach(() => {
    nowMs = now.getTime();
    directory = join(folder, `cache-${++count}`);
    let served = 0;
    routes.set("/document", (r) => r.end(`answer ${++served}`));
  });
  const cache = (maxEntries?: number) =>
    cachedAsk(ask, {
      store: createDiskStore({ directory, ...(maxEntries !== undefined && { maxEntries }) }),
      nowMs: () => nowMs,
    });
  const text = async (cached: ReturnType<typeof cache>, path = "/document") => {
    const { body } = await cached.ask({ url: `${sources.kds}${path}`, maxBytes: 100 });
    return Buffer.from(body).toString();
  };

  test("keeps what is fresh, across processes, and asks once at a time", async () => {
    const first = cache();
    expect(await Promise.all([text(first), text(first)])).toEqual(["answer 1", "answer 1"]);
    nowMs += HOUR / 2;
    expect(await text(cache())).toBe("answer 1");
    expect(asked).toHaveLength(1);
  });

  test("uses what is stale while it asks anew", async () => {
    const cached = cache();
    await text(cached);
    nowMs += 2 * HOUR;
    expect(await text(cached)).toBe("answer 1");
    await cached.settled();
    expect(await text(cached)).toBe("answer 2");
  });

  test("waits for what is older, and uses the old where the service fails, for a week", async () => {
    const cached = cache();
    await text(cached);
    nowMs += 25 * HOUR;
    expect(await text(cached)).toBe("answer 2");
    routes.set("/document", (r) => r.writeHead(500).end());
    nowMs += 25 * HOUR;
    expect(await text(cached)).toBe("answer 2");
    nowMs += 7 * 24 * HOUR;
    await expect(text(cached)).rejects.toMatchObject({ code: "endorsement_refused" });
  });

  test("believes nothing that is damaged", async () => {
    const cached = cache();
    await text(cached);
    const bodies = join(directory, "bodies");
    for (const name of readdirSync(bodies)) writeFileSync(join(bodies, name), "forged");
    expect(await text(cached)).toBe("answer 2");
  });

  test("is bounded, and drops the oldest", async () => {
    const cached = cache(2);
    for (const path of ["/a", "/b", "/c"]) {
      routes.set(path, (r) => r.end(path));
      await text(cached, path);
      await new Promise((done) => setTimeout(done, 15));
    }
    expect(readdirSync(join(directory, "bodies"))).toHaveLength(2);
    expect((await createDiskStore({ directory }).list()).map(({ url }) => url.slice(-2))).toEqual([
      "/b",
      "/c",
    ]);
  });
});

test("the public services are asked over TLS", () => {
  const { dcap, kds, nvidia } = PUBLIC_SOURCES;
  for (const url of [dcap.pcs, dcap.rootCrl!, kds, nvidia.rim, nvidia.ocsp])
    expect(url).toMatch(/^https:\/\//);
});
