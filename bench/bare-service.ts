/**
 * The other side of the comparison: the same HTTP application, limits, authentication and engines, with a pipeline that
 * parses, runs and encodes, and nothing else. The key to accept is read from BENCH_API_KEY.
 */
import { createServer } from "node:http";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { getRequestListener } from "@hono/node-server";
import { equal, sha256, utf8 } from "../codec/index.ts";
import {
  checkInputs,
  encodeInferResponse,
  ModelRegistry,
  parseInferRequest,
  selectOutputs,
  type Engine,
} from "../models/index.ts";
import { createApp } from "../service/app.ts";
import { parseConfig } from "../service/config.ts";
import { createLogger } from "../service/logger.ts";
import { createMetrics } from "../service/metrics.ts";
import { Lifecycle } from "../service/middleware/lifecycle.ts";
import { openEngine } from "../service/open-engine.ts";
import { ServiceError } from "../service/problem.ts";
import { DEFAULT_HTTP_LIMITS, type Pipeline, type Services } from "../service/services.ts";

const config = parseConfig();
const digest = sha256(utf8(process.env["BENCH_API_KEY"]!));
const account = { accountId: "bench", tenantId: "bench", keyId: "bench" };
const models = await ModelRegistry.load([fileURLToPath(new URL("../models/zoo", import.meta.url))]);
const engine = openEngine(config, models);

function barePipeline(registry: ModelRegistry, pool: Engine): Pipeline {
  return {
    async infer(call) {
      const model = registry.get(call.modelName, call.modelVersion);
      if (!model) throw new ServiceError("model_not_found", "no such model or version");
      const request = parseInferRequest(call.body, call.headerLength);
      checkInputs(model.manifest, request.inputs);
      selectOutputs(model.manifest.outputs, request);
      const timeoutMs = config.inferenceTimeoutMs;
      const { outputs } = await pool.run(model, request.inputs, { signal: call.signal, timeoutMs });
      const { name: modelName, version: modelVersion } = model.manifest;
      const { body, contentType, headerLength } = encodeInferResponse(
        { modelName, modelVersion, id: request.id, outputs },
        request,
      );
      const headers: Record<string, string> = { "Content-Type": contentType };
      if (headerLength !== undefined) headers["Inference-Header-Content-Length"] = String(headerLength);
      return { status: 200, headers, body };
    },
  };
}

const absent = async (): Promise<never> => {
  throw new ServiceError("session_unavailable", "not part of the bare service");
};

const services: Services = {
  version: "bare",
  limits: {
    ...DEFAULT_HTTP_LIMITS,
    maxBodyBytes: config.maxBodyBytes,
    maxInFlight: config.maxConcurrentRequests,
    requestTimeoutMs: config.requestTimeoutMs,
  },
  log: createLogger({ level: config.logLevel }),
  metrics: createMetrics({ process: true }),
  lifecycle: new Lifecycle(),
  nowMs: Date.now,
  randomBytes,
  administration: {
    audience: "bare",
    verify: absent,
    tenants: () => [],
    createTenant: absent,
    changeTenant: absent,
    suspend: absent,
    usage: absent,
    createKey: absent,
    keys: absent,
    revokeKey: absent,
    setAccess: absent,
    access: () => [],
    aliases: () => [],
    setAlias: absent,
    removeAlias: absent,
    deprecate: absent,
    undeprecate: absent,
    log: absent,
  },
  tenants: { requireActive: async () => {}, admit: async () => ({ headers: {}, end: () => {} }) },
  keys: {
    find: async (asked) => (equal(asked, digest) ? { account, scopes: ["infer"], digest } : undefined),
    create: absent,
    list: absent,
    revoke: absent,
  },
  pipeline: barePipeline(models, engine),
  models: {
    list: () => models.list(),
    get: (name, version) => models.get(name, version),
    deprecation: () => undefined,
    aliases: () => [],
    readiness: () => ({ ready: true }),
  },
  privateModels: {
    uploads: { begin: absent, find: absent, put: absent, complete: absent, remove: absent },
    guests: () => [],
    allow: absent,
    deny: absent,
    remove: absent,
  },
  attestation: { document: absent, keysetDigest: () => undefined, aciReport: absent, signerReport: absent },
  receipts: {
    forms: { air: absent, aci: absent, dstack: absent },
    cose: absent,
    owner: absent,
    list: absent,
    salt: absent,
    bundle: absent,
    addLink: absent,
    findLink: absent,
  },
  documents: { get: absent },
  revocations: { add: absent, list: absent },
  transparencyLog: {
    checkpoint: absent,
    checkpointStatement: absent,
    tile: absent,
    inclusion: absent,
    covered: absent,
  },
  assurances: {
    circuits: async () => [],
    find: absent,
    changed: absent,
    cancel: absent,
    prove: absent,
    bundle: absent,
  },
  ledger() {
    throw new ServiceError("balances_off");
  },
  jobs: {
    administration() {
      throw new ServiceError("jobs_unsupported", "not part of the bare service");
    },
  },
  workers() {
    throw new ServiceError("jobs_unsupported", "not part of the bare service");
  },
  chain: undefined,
  sealing: { keys: () => [], exportKeys: absent },
  vaultAdministration: {
    sealingKeys: absent,
    rotate: absent,
    policy: absent,
    changePolicy: absent,
    beginGiving: absent,
    give: absent,
  },
  health: { components: async () => [] },
};

const server = createServer(
  {
    requestTimeout: config.requestTimeoutMs,
    headersTimeout: config.headersTimeoutMs,
    keepAliveTimeout: config.keepAliveTimeoutMs,
  },
  getRequestListener(createApp(services).fetch),
);
server.listen(config.port, config.host, () => {
  const address = server.address();
  if (typeof address === "object" && address)
    process.stdout.write(`Listening on http://localhost:${address.port}\n`);
});
process.on("SIGTERM", () => void engine.close().then(() => process.exit(0)));
