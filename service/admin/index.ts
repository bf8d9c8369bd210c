/**
 * What administrators do to tenants and models. Each change and its entry in the administrators' log, which holds the signed
 * request, are one transaction.
 */
import { AdminError, verifyAdminRequest } from "../../administration/index.ts";
import { ownerToText, type Owner } from "../../balances/client.ts";
import { ModelError, type LoadedModel } from "../../models/index.ts";
import {
  addTenant,
  appendAdminLog,
  changeDirectory,
  changeTenant,
  grantModel,
  listAdminLog,
  listApiKeys,
  listMonths,
  putAlias,
  putDeprecation,
  removeAlias,
  removeDeprecation,
  revokeApiKey,
  setSuspended,
  SYSTEM_TENANT,
  withdrawModel,
  type Database,
  type TenantRow,
  type Transaction,
} from "../db/index.ts";
import { ServiceError } from "../problem.ts";
import type { KeyView, NewKey } from "../services.ts";
import type { AdminCall, Administration } from "./contract.ts";
import type { ModelCatalogue } from "../private-models/index.ts";
import { makeKey } from "../tenant-keys.ts";
import type { TenantDirectory } from "../tenants/index.ts";
import { ReplayGuard } from "./replay-guard.ts";

const MAX_TENANTS = 10_000;

export interface AdministrationParts {
  database: Database;
  directory: TenantDirectory;
  catalogue: ModelCatalogue;
  /** Whose signatures count; none: nobody administers. */
  keys: readonly Owner[];
  /** Origin of the service's log: what requests must be signed for. */
  audience: string;
  nowMs: () => number;
}

export function openAdministration(parts: AdministrationParts): Administration {
  const { database, directory, catalogue, keys, audience, nowMs } = parts;
  const guard = new ReplayGuard(database, nowMs);

  /** Does it and logs it, or neither; seen here at once, elsewhere within a second. */
  async function act<T>(call: AdminCall, work: (tx: Transaction) => Promise<T>): Promise<T> {
    const done = await changeDirectory(database, async (tx) => {
      const result = await work(tx);
      const { request, signer, signature } = call.signed;
      await appendAdminLog(tx, {
        at: new Date(nowMs()),
        signer: ownerToText(signer),
        audience: request.audience,
        method: request.method,
        path: request.path,
        body: call.body,
        nonce: request.nonce,
        expiresAtMs: request.expiresAtMs,
        signature,
      });
      return result;
    });
    await directory.refresh();
    return done;
  }

  /** One that may be changed: not the installation's own. */
  function requireTenant(tenantId: string): TenantRow {
    const row = tenantId === SYSTEM_TENANT ? undefined : directory.tenant(tenantId);
    if (!row) throw new ServiceError("tenant_not_found");
    return row;
  }

  function requireModel(modelId: Uint8Array): LoadedModel {
    const found = catalogue.ofInstallation(modelId);
    if (found) return found;
    throw new ModelError("model_not_found", "no model of the models folders has this id");
  }

  return {
    audience,
    async verify(signed) {
      if (keys.length === 0)
        throw new AdminError("admin_off", "set AFFIDAVIT_ADMIN_KEYS to the keys of who may administer");
      verifyAdminRequest(signed, { keys, nowMs: nowMs() });
      await guard.use(signed.request.nonce, Number(signed.request.expiresAtMs));
      await directory.refresh();
    },
    tenants: () => directory.tenants().filter(({ tenantId }) => tenantId !== SYSTEM_TENANT),
    async createTenant(call, wanted) {
      const row = await act(call, async (tx) => {
        const added = await addTenant(tx, wanted, MAX_TENANTS);
        if (!added) throw new ServiceError("tenant_limit");
        return added;
      });
      return row;
    },
    async changeTenant(call, tenantId, change) {
      requireTenant(tenantId);
      const row = await act(call, (tx) => changeTenant(tx, tenantId, change));
      if (!row) throw new ServiceError("tenant_not_found");
      return row;
    },
    async suspend(call, tenantId, suspended) {
      requireTenant(tenantId);
      await act(call, (tx) => setSuspended(tx, tenantId, suspended ? new Date(nowMs()) : null));
      return requireTenant(tenantId);
    },
    async usage(tenantId) {
      return { tenant: requireTenant(tenantId), months: await listMonths(database, tenantId) };
    },
    async createKey(call, wanted: NewKey) {
      requireTenant(wanted.tenantId);
      return await act(call, (tx) => makeKey({ orm: tx }, wanted));
    },
    async keys(tenantId): Promise<KeyView[]> {
      requireTenant(tenantId);
      return await listApiKeys(database, tenantId);
    },
    async revokeKey(call, tenantId, keyId) {
      requireTenant(tenantId);
      await act(call, async (tx) => {
        if (!(await revokeApiKey({ orm: tx }, keyId, tenantId))) throw new ServiceError("key_not_found");
      });
    },
    async setAccess(call, modelId, tenantId, allowed) {
      requireModel(modelId);
      requireTenant(tenantId);
      await act(call, (tx) =>
        allowed ? grantModel(tx, modelId, tenantId) : withdrawModel(tx, modelId, tenantId),
      );
    },
    access: (modelId) => [...directory.guests(requireModel(modelId).modelId)].toSorted(),
    aliases: () => directory.aliases(),
    async setAlias(call, name, modelId) {
      const { modelId: named } = requireModel(modelId);
      if (catalogue.isTaken(name)) throw new ServiceError("alias_taken");
      await act(call, (tx) => putAlias(tx, name, named));
    },
    async removeAlias(call, name) {
      await act(call, async (tx) => {
        if (!(await removeAlias(tx, name))) throw new ServiceError("alias_not_found");
      });
    },
    async deprecate(call, modelId, { deprecatedAt, sunsetAt }) {
      const { modelId: named } = requireModel(modelId);
      const times = { deprecatedAt: deprecatedAt ?? new Date(nowMs()), sunsetAt };
      if (sunsetAt && sunsetAt < times.deprecatedAt)
        throw new ServiceError("request_invalid", "body.sunsetAt: not before deprecatedAt");
      await act(call, (tx) => putDeprecation(tx, named, times));
    },
    async undeprecate(call, modelId) {
      await act(call, async (tx) => {
        if (!(await removeDeprecation(tx, modelId))) throw new ServiceError("deprecation_not_found");
      });
    },
    log: (page) => listAdminLog(database, page),
  };
}
