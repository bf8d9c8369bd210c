/** What NVIDIA's services are asked for a list of reports, by an `Ask` that plays them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { equal, toBase64, utf8 } from "../../codec/index.ts";
import { appraise, parseNvidiaEvidence, parseNvidiaReport, parsePolicy, parseRim } from "../index.ts";
import {
  listEntry,
  testDevice,
  testMeasurements,
  testOpaque,
  testReport,
  testRim,
  testRimSigner,
} from "../testing/nvidia.ts";
import { testOcsp, type TestOcspStatus } from "../testing/ocsp.ts";
import { VECTORS_FOLDER } from "../testing/vectors.ts";
import { parseCertificate } from "../verify/x509.ts";
import { EndorsementError } from "./fetch-error.ts";
import type { Ask } from "./fetch-http.ts";
import { fetchNvidiaEndorsements, ocspRequest, rimNames } from "./fetch-nvidia.ts";

const now = new Date("2026-11-23T00:00:00Z");
const sources = { rim: "https://rim.test", ocsp: "https://ocsp.test" };
const device = testDevice();
const opaque = new Map([...testOpaque(), [18, utf8("0200\0")] as const]);
const quote = utf8(JSON.stringify([listEntry(testReport({ device, opaque }), device)]));
const signer = testRimSigner();
const golden = (parity: number) =>
  new Map(testMeasurements().flatMap((value, i) => (i % 2 === parity ? [[i, [value]] as const] : [])));
const DRIVER = "NV_GPU_DRIVER_GH100_550.90.07";
const VBIOS = "NV_GPU_VBIOS_1010_0200_882_96009F0001";
const rims = new Map([
  [DRIVER, testRim({ version: "550.90.07", measurements: golden(0) }, signer)],
  [VBIOS, testRim({ version: "96.00.9F.00.01", measurements: golden(1) }, signer)],
]);

/** Certificate, issuer and the issuer's key, of all that a responder is asked after. */
const [, brom, identity, root] = device.certificates;
const known = [
  [brom!, identity!, device.identity],
  [identity!, root!, device.root],
  [signer.signerDer, signer.rootDer, signer.root],
] as const;

function play(asked: string[], status: TestOcspStatus["status"] = "good", without?: string): Ask {
  return async ({ url, body }) => {
    if (body) {
      const one = known.find(([certificate, issuer]) =>
        equal(body, ocspRequest(parseCertificate(certificate), parseCertificate(issuer))),
      )!;
      const [certificate, issuer, key] = one;
      return { headers: {}, body: testOcsp({ key }, { certificate, issuer, status }) };
    }
    const name = url.split("/").at(-1)!;
    asked.push(name);
    const text = name === without ? undefined : rims.get(name);
    if (text === undefined) throw new EndorsementError("endorsement_not_found", url);
    return { headers: {}, body: utf8(JSON.stringify({ id: name, rim: toBase64(utf8(text)) })) };
  };
}

function appraised(endorsements: unknown) {
  const policy = parsePolicy({
    formatVersion: 1,
    codeIdentity: "reported",
    roots: [{ certificate: toBase64(root!) }],
    nvidia: { rimRoots: [{ certificate: toBase64(signer.rootDer) }], ocsp: "required" },
  });
  return appraise({ type: "nvidia-gpu", quote }, endorsements, { now, policy });
}

test("manifests of the report's versions, and statuses of every chain, make a full appraisal", async () => {
  const asked: string[] = [];
  const endorsements = await fetchNvidiaEndorsements({ quote, certificates: [] }, play(asked), sources);
  expect(asked).toEqual([DRIVER, VBIOS]);
  expect(appraised(endorsements)).toMatchObject({ code: "ok", claims: { measurements: "matched" } });
});

test("a revoked authority is refused", async () => {
  const ask = play([], "revoked");
  const endorsements = await fetchNvidiaEndorsements({ quote, certificates: [] }, ask, sources);
  expect(appraised(endorsements).code).toBe("certificate_revoked");
});

test("a manifest that is not published leaves measurements unchecked, and says so", async () => {
  const ask = play([], "good", VBIOS);
  const endorsements = await fetchNvidiaEndorsements({ quote, certificates: [] }, ask, sources);
  expect(endorsements).toMatchObject({ rims: [] });
  expect(appraised(endorsements)).toMatchObject({ code: "ok", claims: { measurements: "unchecked" } });
});

const refusing: Ask = ({ url }) => Promise.reject(new EndorsementError("endorsement_refused", url));

test("a service that fails is no manifest that is not published", async () => {
  await expect(fetchNvidiaEndorsements({ quote, certificates: [] }, refusing, sources)).rejects.toMatchObject(
    {
      code: "endorsement_refused",
    },
  );
});

test("a raw report without its certificates is refused", async () => {
  const raw = testReport({ device });
  await expect(
    fetchNvidiaEndorsements({ quote: raw, certificates: [] }, play([]), sources),
  ).rejects.toMatchObject({ code: "endorsement_unsupported" });
});

test.each([
  ["GH100 A01 GSP BROM", [], [DRIVER, VBIOS]],
  ["GB100 A01 GSP BROM", [], ["NV_GPU_CC_DRIVER_GB100_550.90.07", VBIOS]],
  ["GB100 A01 GSP BROM", [[35, utf8("GB202\0")]], ["NV_GPU_CC_DRIVER_GB202_550.90.07", VBIOS]],
] as const)("the manifests of %s %j", (model, fields, names) => {
  const report = parseNvidiaReport(testReport({ device, opaque: new Map([...opaque, ...fields]) }));
  expect(rimNames(report, model)).toEqual(names);
});

const folder = join(VECTORS_FOLDER, "nvidia");

function read(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(folder, name)));
}

const why = existsSync(folder) ? "" : " (skipped: the folder of vectors is not there)";
describe.skipIf(!existsSync(folder))(`the names of real manifests${why}`, () => {
  test("are those under which NVIDIA publishes them", () => {
    const [gpu] = parseNvidiaEvidence(read("nvsdk-ev-hopper_evidence.json"), []);
    const report = parseNvidiaReport(gpu!.report);
    expect(rimNames(report, "GH100 A01 GSP BROM")).toEqual([
      "NV_GPU_DRIVER_GH100_590.12",
      "NV_GPU_VBIOS_G520_0200_885_9600A50001",
    ]);
    const [nvswitch] = parseNvidiaEvidence(read("nvsdk-ev-switch_evidence_ls10.json"), []);
    const file = "NV_SWITCH_BIOS_5612_0002_890_9610550001";
    expect(rimNames(parseNvidiaReport(nvswitch!.report), "LS_10 A01 FSP BROM")).toEqual([file]);
    const text = new TextDecoder().decode(read(`nvsdk-switchVBIOSRim_${file}.xml`));
    expect(parseRim(text).version).toBe("96.10.55.00.01");
  });
});
