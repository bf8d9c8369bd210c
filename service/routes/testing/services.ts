/** Services for tests of the HTTP side: storage in memory, a pipeline that doubles one tensor, a log that is kept. */
import { randomBytes } from "node:crypto";
import { AdminError } from "../../../administration/index.ts";
import { sha256, toHex, utf8 } from "../../../codec/index.ts";
import {
  encodeInferResponse,
  manifestText,
  modelId,
  parseInferRequest,
  parseManifest,
} from "../../../models/client.ts";
import { VaultError } from "../../../vault/index.ts";
import { verifyVaultPolicy } from "../../../receipts/index.ts";
import { RequestOpener } from "../../../vault/host/request-opener.ts";
import { x25519FromPrivateKey } from "../../../vault/host/x25519.ts";
import { createApp } from "../../app.ts";
import type { PromiseView } from "../../assurance/index.ts";
import { JobError, type JobAdministration, type JobView } from "../../jobs/index.ts";
import { createLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { Lifecycle } from "../../middleware/lifecycle.ts";
import { ServiceError } from "../../problem.ts";
import { DEFAULT_HTTP_LIMITS } from "../../services.ts";
import type { HttpLimits, InferAnswer, InferCall, ModelView, Services } from "../../services.ts";
import { KEY, memoryKeys } from "./keys.ts";

export { ADMIN_KEY, KEY, OTHER_ADMIN_KEY, OTHER_KEY } from "./keys.ts";

const tensor = { name: "x", datatype: "FP32", shape: [-1], unit: "1", meaning: "Any numbers.", finite: true };
const MANIFEST = {
  formatVersion: 1,
  name: "double",
  version: "1.0.0",
  title: "Doubles",
  description: "Answers with twice its input.",
  licence: "Apache-2.0",
  source: { script: "none.ts", version: "1", digest: `sha256:${"0".repeat(64)}` },
  weights: { sha256: "0".repeat(64), bytes: 1, format: "onnx" },
  inputs: [tensor],
  outputs: [{ ...tensor, name: "y" }],
  outputKind: { kind: "tensor" },
  processing: { pre: null, post: null },
  assurance: ["tee"],
  accuracy: null,
  limits: { maxBatch: 1024, timeoutMs: 1000 },
};

function view(version: string): ModelView {
  const manifest = parseManifest(JSON.stringify({ ...MANIFEST, version }));
  const text = manifestText(manifest);
  return { manifest, manifestText: text, modelId: modelId(text) };
}

export interface TestBench {
  app: ReturnType<typeof createApp>;
  services: Services;
  /** Everything that was logged, as text. */
  logged: () => string;
  /** What the pipeline was called with. */
  calls: InferCall[];
  request(path: string, init?: RequestInit & { key?: string }): Promise<Response>;
  infer(body: BodyInit | null, headers?: Record<string, string>, path?: string): Promise<Response>;
}

export interface TestOptions {
  limits?: Partial<HttpLimits>;
  infer?: (call: InferCall) => Promise<InferAnswer>;
  services?: Partial<Services>;
}

export function createTestBench(options: TestOptions = {}): TestBench {
  const lines: string[] = [];
  const calls: InferCall[] = [];
  const services: Services = {
    version: "1.2.3",
    limits: { ...DEFAULT_HTTP_LIMITS, keyCacheMs: 0, ...options.limits },
    log: createLogger({ level: "trace", destination: { write: (line) => void lines.push(line) } }),
    metrics: createMetrics({ process: false }),
    lifecycle: new Lifecycle(),
    nowMs: () => Date.now(),
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    keys: memoryKeys(),
    administration: noAdministration(),
    tenants: {
      requireActive: async () => {},
      admit: async () => ({ headers: {}, end: () => {} }),
    },
    pipeline: {
      infer: (call) => {
        calls.push(call);
        return (options.infer ?? double)(call);
      },
    },
    models: memoryModels(),
    privateModels: noPrivateModels(),
    attestation: {
      document: async (nonce) => ({ evidence: { nonce: nonce && toHex(nonce) } }),
      keysetDigest: () => sha256(utf8("keyset")),
      aciReport: async (nonce) => ({ api_version: "aci/1", nonce: nonce && toHex(nonce) }),
      signerReport: async (algorithm, nonce) => ({
        signing_address: algorithm === "ecdsa" ? `0x${"ab".repeat(20)}` : "cd".repeat(32),
        signing_algo: algorithm,
        request_nonce: toHex(nonce),
        intel_quote: "00",
        simulated: true,
      }),
    },
    receipts: memoryReceipts(),
    documents: memoryDocuments(["a document"]),
    revocations: {
      add: async () => ({ receiptId: "r1", leafIndex: 7n, fromIndex: 7n }),
      list: async () => '{"formatVersion":1,"revocations":[]}',
    },
    transparencyLog: {
      checkpoint: async () => undefined,
      checkpointStatement: async () => undefined,
      tile: async () => undefined,
      inclusion: async () => undefined,
      covered: async () => false,
    },
    assurances: memoryAssurances(),
    jobs: { administration: () => memoryJobs() },
    workers: () => {
      throw new ServiceError("jobs_unsupported");
    },
    ledger: () => {
      throw new ServiceError("balances_off");
    },
    chain: undefined,
    sealing: memorySealing(),
    vaultAdministration: memoryVaultAdministration(),
    health: { components: async () => [] },
    ...options.services,
  };
  const app = createApp(services);
  const request = async (
    path: string,
    { key, ...init }: RequestInit & { key?: string } = {},
  ): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (key !== undefined) headers.set("authorization", `Bearer ${key}`);
    return app.request(path, { ...init, headers });
  };
  return {
    app,
    services,
    logged: () => lines.join(""),
    calls,
    request,
    infer: (body, headers = {}, path = "/v2/models/double/infer") =>
      request(path, {
        method: "POST",
        key: KEY,
        headers: { "content-type": "application/json", ...headers },
        body,
      }),
  };
}

/** An honest model of one line: real codec, twice the input. */
async function double(call: InferCall): Promise<InferAnswer> {
  const request = parseInferRequest(call.body, call.headerLength);
  const [x] = request.inputs;
  const doubled = Float32Array.from(new Float32Array(x!.data.slice().buffer), (value) => value * 2);
  const outputs = [{ ...x!, name: "y", data: new Uint8Array(doubled.buffer) }];
  const { body, headerLength, contentType } = encodeInferResponse({ modelName: "double", outputs }, request);
  const headers: Record<string, string> = { "content-type": contentType, "affidavit-receipt-id": "r1" };
  if (headerLength !== undefined) headers["inference-header-content-length"] = String(headerLength);
  return { status: 200, headers, body };
}

/** The vault's own opener, in this process. */
function memorySealing(): Services["sealing"] {
  const key = x25519FromPrivateKey(new Uint8Array(randomBytes(32)));
  const opener = new RequestOpener(() => [{ epoch: 1, key }]);
  return {
    keys: () => [{ keyId: 1, publicKey: key.publicKey }],
    exportKeys: async (head) => opener.exportKeys(head),
  };
}

function sealingKey(epoch: number, endsAtMs: bigint | null) {
  return { epoch, publicKey: new Uint8Array(32).fill(epoch), madeAtMs: BigInt(epoch) * 1000n, endsAtMs };
}

/** Two keys, and one more by each rotation. */
function memoryVaultAdministration(): Services["vaultAdministration"] {
  let document: string | null = null;
  let keys = [sealingKey(2, null), sealingKey(1, 5000n)];
  return {
    sealingKeys: async () => keys,
    async rotate(_, endOlder) {
      const next = sealingKey(keys[0]!.epoch + 1, null);
      keys = endOlder ? [next] : [next, ...keys.map((old) => ({ ...old, endsAtMs: old.endsAtMs ?? 9000n }))];
      return keys;
    },
    policy: async () => ({
      owner: new Uint8Array(32).fill(7),
      document,
      used: [{ name: "recordKey", used: 3n, perHour: 9n }],
    }),
    async changePolicy(_, text) {
      verifyVaultPolicy(text);
      document = text;
      return { receiptId: "ab".repeat(32), leafIndex: 5n };
    },
    beginGiving: async () => new Uint8Array(32).fill(1),
    give: async () => {
      throw new VaultError("peer_refused");
    },
  };
}

function memoryModels(): Services["models"] {
  const list = [view("1.0.0"), view("2.0.0")];
  return {
    list: () => list,
    deprecation: () => undefined,
    aliases: () => [],
    get: (name, version = "2.0.0", _tenantId) =>
      list.find(({ manifest }) => manifest.name === name && manifest.version === version),
    readiness: ({ manifest }) =>
      manifest.version === "2.0.0" ? { ready: true } : { ready: false, reason: "its weights are missing" },
  };
}

function missing(): never {
  throw new ServiceError("upload_not_found");
}

function off(): never {
  throw new AdminError("admin_off", "nobody administers here");
}

/** Where no administrator's key is configured. */
function noAdministration(): Services["administration"] {
  return {
    audience: "localhost/affidavit",
    verify: off,
    tenants: off,
    createTenant: off,
    changeTenant: off,
    suspend: off,
    usage: off,
    createKey: off,
    keys: off,
    revokeKey: off,
    setAccess: off,
    access: off,
    aliases: off,
    setAlias: off,
    removeAlias: off,
    deprecate: off,
    undeprecate: off,
    log: off,
  };
}

function noPrivateModels(): Services["privateModels"] {
  const uploads = { begin: missing, find: missing, put: missing, complete: missing, remove: missing };
  return { uploads, guests: missing, allow: missing, deny: missing, remove: missing };
}

function memoryReceipts(): Services["receipts"] {
  const links = new Map<string, { receiptId: string; tokenDigest: Uint8Array; expiresAtMs: number }>();
  return {
    owner: async (id) => (id === "r1" ? { accountId: "alice", tenantId: "one" } : undefined),
    list: async () => [{ receiptId: "r1", type: "InferenceStatement", leafIndex: 3n, issuedAtMs: 5n }],
    salt: async (id) => (id === "r1" ? new Uint8Array(32).fill(0x5a) : undefined),
    bundle: async (id) => (id === "r1" ? '{"formatVersion":1}' : undefined),
    addLink: async ({ receiptId, tokenDigest, expiresAtMs }) => {
      links.set(toHex(tokenDigest), { receiptId, tokenDigest, expiresAtMs });
    },
    findLink: async (digest) => links.get(toHex(digest)),
    forms: {
      air: async () => utf8("an AIR receipt"),
      aci: async (id) => JSON.stringify({ api_version: "aci/1", receipt_id: id }),
      dstack: async (_, algorithm) => ({
        text: "a:b",
        signature: "0x00",
        signing_address: "0x01",
        signing_algo: algorithm,
      }),
    },
    cose: async (_, form) => utf8(form),
  };
}

/** One proof, which runs until it is cancelled. */
function memoryAssurances(): Services["assurances"] {
  const proof: PromiseView = {
    id: "00000000-0000-4000-8000-000000000009",
    kind: "proof",
    receiptId: "r1",
    state: "running",
    stage: "prove",
    code: null,
    circuitId: new Uint8Array(32).fill(7),
    createdAt: new Date(1000),
    deadlineAt: new Date(9000),
    endedAt: null,
    outcome: null,
  };
  const find: Services["assurances"]["find"] = async ({ accountId }, kind, id) => {
    if (accountId !== "alice" || kind !== proof.kind || id !== proof.id)
      throw new ServiceError("promise_not_found");
    return proof;
  };
  return {
    circuits: async () => [],
    find,
    changed: async () => undefined,
    prove: async () => proof,
    bundle: async (account, id) => {
      await find(account, "proof", id);
      throw new ServiceError("proof_not_delivered");
    },
    cancel: async (account, kind, id) => {
      await find(account, kind, id);
      if (proof.endedAt) throw new ServiceError("promise_ended");
      return Object.assign(proof, { state: "cancelled", stage: null, endedAt: new Date(5000) });
    },
  };
}

/** One job, which failed. */
function memoryJobs(): JobAdministration {
  const job: JobView = {
    id: "00000000-0000-4000-8000-000000000001",
    kind: "prove",
    state: "failed",
    priority: 0,
    retries: 3,
    retryLimit: 3,
    createdAt: new Date(1000),
    startAfter: new Date(2000),
    startedAt: new Date(3000),
    endedAt: new Date(4000),
    code: "prover_crashed",
  };
  const find = async (id: string) => (id === job.id ? job : undefined);
  const require = async (id: string) => {
    if (!(await find(id))) throw new JobError("job_not_found", "there is no such job");
  };
  return {
    find,
    list: async ({ kind, state }) =>
      (kind ?? job.kind) === job.kind && (state ?? job.state) === job.state ? [job] : [],
    retry: require,
    cancel: async (id) => {
      await require(id);
      throw new JobError("job_ended", "the job is failed");
    },
  };
}

function memoryDocuments(texts: string[]): Services["documents"] {
  const byDigest = new Map(texts.map((text) => [toHex(sha256(utf8(text))), utf8(text)]));
  return {
    get: async (digest) => {
      const body = byDigest.get(toHex(digest));
      return body && { mediaType: "text/plain", body };
    },
  };
}
