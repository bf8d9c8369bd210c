/**
 * Tenants, access, aliases and deprecations in memory, as the database has them: read again whenever its version changed, which
 * is asked for each second. That is how long a change takes to reach every replica.
 */
import { toHex } from "../../codec/index.ts";
import {
  directoryVersion,
  readDirectory,
  type Database,
  type DeprecationRow,
  type DirectoryRows,
  type TenantRow,
} from "../db/index.ts";

const INTERVAL_MS = 1000;

export interface DirectoryOptions {
  database: Database;
  onError: (error: unknown) => void;
  intervalMs?: number;
}

export type DirectoryListener = (rows: DirectoryRows) => Promise<void>;

export class TenantDirectory {
  readonly #options: DirectoryOptions;
  readonly #timer: NodeJS.Timeout;
  #version: bigint | undefined;
  #tenants = new Map<string, TenantRow>();
  #access = new Map<string, Set<string>>();
  #aliases = new Map<string, Uint8Array>();
  #deprecations = new Map<string, DeprecationRow>();
  #listener: DirectoryListener = async () => {};
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: DirectoryOptions) {
    this.#options = options;
    const look = () => void this.refresh().catch(options.onError);
    this.#timer = setInterval(look, options.intervalMs ?? INTERVAL_MS).unref();
  }

  /** @throws DatabaseError */
  static async open(options: DirectoryOptions): Promise<TenantDirectory> {
    const directory = new TenantDirectory(options);
    await directory.refresh();
    return directory;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#turn;
  }

  /** Hears of each state that is read, this one first. */
  async follow(listener: DirectoryListener): Promise<void> {
    this.#listener = listener;
    this.#version = undefined;
    await this.refresh();
  }

  /** What was committed before this call is seen after it. @throws DatabaseError */
  refresh(): Promise<void> {
    const next = this.#turn.then(() => this.#refresh());
    this.#turn = next.catch(() => undefined);
    return next;
  }

  async #refresh(): Promise<void> {
    if ((await directoryVersion(this.#options.database)) === this.#version) return;
    const rows = await readDirectory(this.#options.database);
    this.#tenants = new Map(rows.tenants.map((row) => [row.tenantId, row]));
    this.#access = byModel(rows.access);
    this.#aliases = new Map(rows.aliases.map(({ name, modelId }) => [name, modelId]));
    this.#deprecations = new Map(rows.deprecations.map((row) => [toHex(row.modelId), row]));
    await this.#listener(rows);
    this.#version = rows.version;
  }

  tenant(tenantId: string): TenantRow | undefined {
    return this.#tenants.get(tenantId);
  }

  tenants(): TenantRow[] {
    return [...this.#tenants.values()];
  }

  /** Tenants that were let in to a model. */
  guests(modelId: Uint8Array): ReadonlySet<string> {
    return this.#access.get(toHex(modelId)) ?? NOBODY;
  }

  /** The model that an alias names: 32 bytes. */
  alias(name: string): Uint8Array | undefined {
    return this.#aliases.get(name);
  }

  aliases(): { name: string; modelId: Uint8Array }[] {
    return [...this.#aliases].map(([name, modelId]) => ({ name, modelId }));
  }

  deprecation(modelId: Uint8Array): DeprecationRow | undefined {
    // Most installations have none, and this is asked at every request.
    return this.#deprecations.size === 0 ? undefined : this.#deprecations.get(toHex(modelId));
  }
}

const NOBODY: ReadonlySet<string> = new Set();

function byModel(access: DirectoryRows["access"]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { modelId, tenantId } of access) {
    const name = toHex(modelId);
    const guests = found.get(name) ?? new Set();
    found.set(name, guests.add(tenantId));
  }
  return found;
}
