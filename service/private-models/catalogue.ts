/** What a service offers, and to whom: the models of its folders to everybody, an uploaded one to its tenant and to whom that tenant let in. */
import { toHex } from "../../codec/index.ts";
import { compareVersions, ModelError, type LoadedModel, type ModelRegistry } from "../../models/index.ts";

export interface PrivateModel {
  readonly model: LoadedModel;
  /** Whose it is. */
  readonly tenantId: string;
  /** Further tenants that may use it. */
  readonly guests: Set<string>;
}

export class ModelCatalogue {
  readonly #public: ModelRegistry;
  /** By the hex of their model ids. */
  readonly #private = new Map<string, PrivateModel>();

  constructor(models: ModelRegistry) {
    this.#public = models;
  }

  /** Every model, whoever may use it: for what runs after a request was let in. */
  list(): LoadedModel[] {
    return [...this.#public.list(), ...[...this.#private.values()].map(({ model }) => model)];
  }

  /** @param tenantId undefined for somebody without an account */
  visibleTo(tenantId: string | undefined): LoadedModel[] {
    return [...this.#public.list(), ...this.#own(tenantId), ...this.#lent(tenantId)];
  }

  /**
   * The highest version where none is named. A tenant's own model comes before one that everybody may use, and that before one
   * that another tenant lent: nobody can put a model in the place of one that a caller means.
   */
  get(name: string, version: string | undefined, tenantId: string | undefined): LoadedModel | undefined {
    return (
      pick(this.#own(tenantId), name, version) ??
      this.#public.get(name, version) ??
      pick(this.#lent(tenantId), name, version)
    );
  }

  /** The tenant's own model. @throws ModelError `model_not_found` */
  requireOwn(modelId: Uint8Array, tenantId: string): PrivateModel {
    const found = this.#private.get(toHex(modelId));
    if (found?.tenantId === tenantId) return found;
    throw new ModelError("model_not_found", "the tenant has no such model of its own");
  }

  /**
   * @throws ModelError `model_exists` where everybody's models have the name, or the tenant's own the name and version, or
   *   anybody's the model id
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

  /** @throws as `check` does */
  add(added: PrivateModel): void {
    this.check(added.model, added.tenantId);
    this.#private.set(toHex(added.model.modelId), added);
  }

  remove(modelId: Uint8Array): void {
    this.#private.delete(toHex(modelId));
  }

  #own(tenantId: string | undefined): LoadedModel[] {
    return this.#where((one) => one.tenantId === tenantId);
  }

  #lent(tenantId: string | undefined): LoadedModel[] {
    return tenantId === undefined ? [] : this.#where(({ guests }) => guests.has(tenantId));
  }

  #where(choose: (one: PrivateModel) => boolean): LoadedModel[] {
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
