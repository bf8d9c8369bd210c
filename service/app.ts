/** The HTTP application: middleware in its order, then an endpoint a file. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { methodNotAllowed } from "hono/method-not-allowed";
import { createAuthenticator } from "./middleware/authenticate.ts";
import { cors } from "./middleware/cors.ts";
import type { App, AppEnv } from "./middleware/env.ts";
import { envelope } from "./middleware/envelope.ts";
import { handleError, handleNotFound, problemResponse, refuseInvalid } from "./middleware/failure.ts";
import { ServiceError } from "./problem.ts";
import { account } from "./routes/account.ts";
import { aciAttestation } from "./routes/aci-attestation.ts";
import { aciReceipt } from "./routes/aci-receipt.ts";
import { adminModels } from "./routes/admin-models.ts";
import { adminTenants } from "./routes/admin-tenants.ts";
import { apiKeys } from "./routes/api-keys.ts";
import { attestation } from "./routes/attestation.ts";
import { balanceKeys } from "./routes/balance-keys.ts";
import { chainOpening } from "./routes/chain-opening.ts";
import { chainRequest } from "./routes/chain-request.ts";
import { chainRequests } from "./routes/chain-requests.ts";
import { circuits } from "./routes/circuits.ts";
import { chainCheckpoint } from "./routes/chain-checkpoint.ts";
import { docs } from "./routes/docs.ts";
import { document } from "./routes/document.ts";
import { dstackReport } from "./routes/dstack-report.ts";
import { dstackSignature } from "./routes/dstack-signature.ts";
import { hpkeKeys } from "./routes/hpke-keys.ts";
import { health } from "./routes/health.ts";
import { infer } from "./routes/infer.ts";
import { jobs } from "./routes/jobs.ts";
import { landing } from "./routes/landing.ts";
import { ledgerAccounts } from "./routes/ledger-accounts.ts";
import { ledgerAllowances } from "./routes/ledger-allowances.ts";
import { ledgerEntries } from "./routes/ledger-entries.ts";
import { ledgerOperations } from "./routes/ledger-operations.ts";
import { logCheckpoint } from "./routes/log-checkpoint.ts";
import { logTile } from "./routes/log-tile.ts";
import { metrics } from "./routes/metrics.ts";
import { modelAccess } from "./routes/model-access.ts";
import { modelBomRoute } from "./routes/model-bom.ts";
import { modelConfig } from "./routes/model-config.ts";
import { modelMetadata } from "./routes/model-metadata.ts";
import { modelReady } from "./routes/model-ready.ts";
import { modelUploads } from "./routes/model-uploads.ts";
import { models } from "./routes/models.ts";
import { ohttpGateway } from "./routes/ohttp-gateway.ts";
import { problem } from "./routes/problem.ts";
import { promises } from "./routes/promises.ts";
import { receiptInclusion } from "./routes/receipt-inclusion.ts";
import { receiptList } from "./routes/receipt-list.ts";
import { receiptProof } from "./routes/receipt-proof.ts";
import { receiptLink } from "./routes/receipt-link.ts";
import { receiptSalt } from "./routes/receipt-salt.ts";
import { receipt } from "./routes/receipt.ts";
import { repositoryIndex } from "./routes/repository-index.ts";
import { revocations } from "./routes/revocations.ts";
import { clusterKeys } from "./routes/cluster-keys.ts";
import { sealingKeys } from "./routes/sealing-keys.ts";
import { serverMetadata } from "./routes/server-metadata.ts";
import { workers } from "./routes/workers.ts";
import { vaultPolicy } from "./routes/vault-policy.ts";
import type { Services } from "./services.ts";

export function createApp(services: Services): App {
  const app: App = new OpenAPIHono<AppEnv>({ defaultHook: refuseInvalid });
  app.onError(handleError(services));
  app.notFound(handleNotFound);
  app.use(cors());
  app.use(envelope(services));
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) =>
        problemResponse(
          c,
          new ServiceError("method_not_allowed", undefined, { headers: { allow: methods.join(", ") } }),
        ),
    }),
  );
  registerSecurity(app);
  registerRoutes(app, services);
  return app;
}

function registerSecurity(app: App): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "An API key; the operator makes one with `affidavit keys create`",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "apiKey", {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
  });
}

function registerRoutes(app: App, services: Services): void {
  const authenticator = createAuthenticator(services);
  landing(app, services);
  docs(app, services);
  health(app, services);
  metrics(app, services);
  problem(app);
  serverMetadata(app, services);
  modelMetadata(app, services, authenticator);
  modelReady(app, services, authenticator);
  modelConfig(app, services, authenticator);
  repositoryIndex(app, services, authenticator);
  infer(app, services, authenticator);
  attestation(app, services);
  hpkeKeys(app, services);
  ohttpGateway(app, services);
  sealingKeys(app, services, authenticator);
  vaultPolicy(app, services, authenticator);
  clusterKeys(app, services, authenticator);
  receipt(app, services, authenticator);
  receiptInclusion(app, services, authenticator);
  receiptLink(app, services, authenticator);
  receiptSalt(app, services, authenticator);
  aciAttestation(app, services);
  aciReceipt(app, services, authenticator);
  dstackReport(app, services, authenticator);
  dstackSignature(app, services, authenticator);
  receiptList(app, services, authenticator);
  document(app, services);
  account(app, authenticator);
  apiKeys(app, services, authenticator);
  adminTenants(app, services);
  adminModels(app, services);
  models(app, services, authenticator);
  modelBomRoute(app, services, authenticator);
  modelUploads(app, services, authenticator);
  modelAccess(app, services, authenticator);
  revocations(app, services, authenticator);
  promises(app, services, authenticator);
  receiptProof(app, services, authenticator);
  jobs(app, services, authenticator);
  workers(app, services, authenticator);
  ledgerAccounts(app, services, authenticator);
  ledgerOperations(app, services, authenticator);
  ledgerEntries(app, services, authenticator);
  ledgerAllowances(app, services, authenticator);
  balanceKeys(app, services, authenticator);
  logCheckpoint(app, services);
  chainCheckpoint(app, services);
  chainRequests(app, services);
  circuits(app, services);
  chainRequest(app, services);
  chainOpening(app, services);
  logTile(app, services);
}
