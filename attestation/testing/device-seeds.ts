/** The parsers of GPU, vTPM, dstack and event-log evidence, each with good input: what fuzzing starts from. */
import { utf8 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { CollectorError } from "../attest/collector-error.ts";
import { snpTableCertificates } from "../attest/snp-certificates.ts";
import { parseHclReport } from "../parse/azure-hcl.ts";
import { parseAzureEvidence } from "../parse/azure-vtpm.ts";
import { parseDstack } from "../parse/dstack.ts";
import { parseEventLog } from "../parse/event-log.ts";
import { parseNvidiaEndorsements } from "../parse/nvidia-endorsements.ts";
import { parseNvidiaEvidence } from "../parse/nvidia-evidence.ts";
import { parseRim } from "../parse/nvidia-rim.ts";
import { parseNvidiaReport } from "../parse/nvidia-spdm.ts";
import { parseTpmQuote } from "../parse/tpm-quote.ts";

import { parseOcspResponse } from "../verify/ocsp.ts";
import { azureJson, testAzure } from "./azure-vtpm.ts";
import { namedAttestation, quoteResponse, scaleAttestation, testDstack } from "./dstack.ts";
import { jsonEvents, tcgLog, TEST_BOOT_EVENTS } from "./event-log.ts";
import { listEntry, testDevice, testReport, testRim, testRimSigner } from "./nvidia.ts";
import { testOcsp } from "./ocsp.ts";
import { looseJson, looseText, type FuzzedParser } from "./parser-seeds.ts";

function json(value: unknown): Uint8Array {
  return utf8(JSON.stringify(value));
}

function nvidiaParsers(): FuzzedParser[] {
  const errors = [AttestationError];
  const device = testDevice();
  const [, , identity, root] = device.certificates;
  const rim = testRim(
    { version: "550.90.07", measurements: new Map([[1, [new Uint8Array(48)]]]) },
    testRimSigner(),
  );
  const ocsp = testOcsp({ key: device.root }, { certificate: identity!, issuer: root! });
  const list = json([listEntry(testReport(), device)]);
  return [
    { name: "nvidia report", seeds: [testReport()], parse: parseNvidiaReport, errors },
    { name: "nvidia list", seeds: [list], parse: (input) => parseNvidiaEvidence(input, []), errors },
    {
      name: "nvidia endorsements",
      seeds: [json({ certificates: [], rims: [rim], ocspResponses: ["AAAA"] })],
      parse: (input) => parseNvidiaEndorsements(looseJson(input)),
      errors,
    },
    { name: "rim", seeds: [utf8(rim)], parse: (input) => parseRim(looseText(input)), errors },
    { name: "ocsp", seeds: [ocsp], parse: parseOcspResponse, errors },
  ];
}

/** One entry of a table: VCEK, at 48, four bytes. */
function certificateTable(): Uint8Array {
  const table = Buffer.alloc(64);
  table.write("63da758de6644564adc5f4b93be8accd", 0, "hex");
  table.writeUInt32LE(48, 16);
  table.writeUInt32LE(4, 20);
  table.set([0x30, 2, 5, 0], 48);
  return table;
}

export function deviceParsers(): FuzzedParser[] {
  const errors = [AttestationError];
  const dstack = testDstack();
  const azure = testAzure();
  return [
    ...nvidiaParsers(),
    {
      name: "event log",
      seeds: [tcgLog(TEST_BOOT_EVENTS), json(jsonEvents(TEST_BOOT_EVENTS))],
      parse: parseEventLog,
      errors,
    },
    {
      name: "dstack",
      seeds: [quoteResponse(dstack), scaleAttestation(dstack), namedAttestation(dstack)],
      parse: parseDstack,
      errors,
    },
    { name: "azure vtpm", seeds: [azureJson(azure)], parse: parseAzureEvidence, errors },
    { name: "hcl report", seeds: [azure.hclReport], parse: parseHclReport, errors },
    { name: "tpm quote", seeds: [azure.message], parse: parseTpmQuote, errors },
    {
      name: "sev-snp certificate table",
      seeds: [certificateTable()],
      parse: (input) => snpTableCertificates("fuzz", input),
      errors: [CollectorError],
    },
  ];
}
