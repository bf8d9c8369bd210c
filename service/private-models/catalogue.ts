/**
 * What a service offers, and to whom. A model of its folders: to nameless callers, to tenants that may use every one, and to those
 * that were let in to it. An uploaded one: to its tenant, and to those that this let in.
 */
import { toHex } from "../../codec/index.ts";
import { compareVersions, ModelError, type LoadedModel, type ModelRegistry } from "../../models/index.ts";

export interface PrivateModel {
  readonly model: LoadedModel;
  /** Whose it is. */
  readonly tenantId: string;
  /** Names its parts in the database. */
  readonly uploadId: string;
}

/** What the catalogue asks of the tenants' directory. */
export interface Rights {
  tenant(tenantId: string): { everyModel: boolean } | undefined;
  guests(modelId: Uint8Array): ReadonlySet<string>;
  alias(name: string): Uint8Array | undefined;
}

type Tenant = string | undefined;

export class ModelCatalogue {
  readonly #public: ModelRegistry;
  readonly #rights: Rights;
  /** By the hex of their model ids. */
  #private = new Map<string, PrivateModel>();

  constructor(models: ModelRegistry, rights: Rights) {
    this.#public = models;
    this.#rights = rights;
  }

  /** Every model, whoever may use it: for what runs after a request was let in. */
  list(): LoadedModel[] {
    return [...this.#public.list(), ...[...this.#private.values()].map(({ model }) => model)];
  }

  /** @param tenantId undefined for somebody without an account */
  visibleTo(tenantId: Tenant): LoadedModel[] {
    const open = this.#public.list().filter((model) => this.#isOpen(model, tenantId));
    return [...open, ...this.#own(tenantId), ...this.#lent(tenantId)];
  }

  /**
   * The highest version where none is named. A tenant's own model comes before one of the service's folders, and that before one
   * that another tenant lent: nobody can put a model in the place of one that a caller means. An alias stands for what no model
   * is called.
   */
  get(name: string, version: string | undefined, tenantId: Tenant): LoadedModel | undefined {
    return (
      pick(this.#own(tenantId), name, version) ??
      this.#open(name, version, tenantId) ??
      pick(this.#lent(tenantId), name, version) ??
      (version === undefined ? this.#aliased(name, tenantId) : undefined)
    );
  }

  /** One of the service's own models, by its id. */
  ofInstallation(modelId: Uint8Array): LoadedModel | undefined {
    const wanted = toHex(modelId);
    return this.#public.list().find((model) => toHex(model.modelId) === wanted);
  }

  /** Whether the service's own models or an upload have this name. */
  isTaken(name: string): boolean {
    return this.list().some(({ manifest }) => manifest.name === name);
  }

  /** The tenant's own model. @throws ModelError `model_not_found` */
  requireOwn(modelId: Uint8Array, tenantId: string): PrivateModel {
    const found = this.#private.get(toHex(modelId));
    if (found?.tenantId === tenantId) return found;
    throw new ModelError("model_not_found", "the tenant has no such model of its own");
  }

  /**
   * @throws ModelError `model_exists` where a model of the service's folders has the name, or the tenant's own the name and
   *   version, or anybody's the model id
   */
  check({ manifest, modelId }: Pick<LoadedModel, "manifest" | "modelId">, tenantId: string): void {
    const { name, version } = manifest;
    const own = this.#own(tenantId).some(
      (one) => one.manifest.name === name && compareVersions(one.manifest.version, version) === 0,
    );
    if (own || this.#public.get(name) || this.#private.has(toHex(modelId)))
      throw new ModelError(
        "model_exists",
        `${name}/${version} cannot be added: the name or the model is taken`,
      );
  }

  /** Uploaded models by the hex of their ids. */
  uploaded(): ReadonlyMap<string, PrivateModel> {
    return this.#private;
  }

  replaceUploaded(models: Map<string, PrivateModel>): void {
    this.#private = models;
  }

  #isOpen({ modelId }: LoadedModel, tenantId: Tenant): boolean {
    if (tenantId === undefined || this.#rights.tenant(tenantId)?.everyModel) return true;
    return this.#rights.guests(modelId).has(tenantId);
  }

  #open(name: string, version: string | undefined, tenantId: Tenant): LoadedModel | undefined {
    const found = this.#public.get(name, version);
    if (!found || this.#isOpen(found, tenantId)) return found;
    // The highest version is not this tenant's: perhaps a lower one.
    if (version !== undefined) return undefined;
    return this.#public.list().find((one) => one.manifest.name === name && this.#isOpen(one, tenantId));
  }

  #aliased(name: string, tenantId: Tenant): LoadedModel | undefined {
    const modelId = this.#rights.alias(name);
    const found = modelId && this.ofInstallation(modelId);
    return found && this.#isOpen(found, tenantId) ? found : undefined;
  }

  #own(tenantId: Tenant): LoadedModel[] {
    return this.#where((one) => one.tenantId === tenantId);
  }

  #lent(tenantId: Tenant): LoadedModel[] {
    if (tenantId === undefined) return [];
    return this.#where(
      (one) => one.tenantId !== tenantId && this.#rights.guests(one.model.modelId).has(tenantId),
    );
  }

  #where(choose: (one: PrivateModel) => boolean): LoadedModel[] {
    if (this.#private.size === 0) return [];
    return [...this.#private.values()].filter(choose).map(({ model }) => model);
  }
}

function pick(models: LoadedModel[], name: string, version: string | undefined): LoadedModel | undefined {
  const [highest, ...others] = models.filter(
    ({ manifest }) => manifest.name === name && (version === undefined || manifest.version === version),
  );
  return others.reduce(
    (best, one) => (compareVersions(one.manifest.version, best!.manifest.version) > 0 ? one : best),
    highest,
  );
}
