/** Revocations: signed, logged, and shown to everybody with their place in the log. */
import { fromUtf8, toHex } from "../codec/index.ts";
import {
  decodeStatement,
  MAX_REVOCATIONS,
  REVOCATION_KINDS,
  revocationsToJson,
  type Revocation,
} from "../receipts/index.ts";
import {
  DEFAULT_TENANT,
  listRevocations,
  readDocument,
  type Appender,
  type Database,
  type LogTree,
  type StoredStatement,
} from "./db/index.ts";
import type { KeysetRecords } from "./keyset-records.ts";
import { appendOwn } from "./own-statement.ts";
import { ServiceError } from "./problem.ts";
import type { Account, NewRevocation, Revocations } from "./services.ts";
import type { SessionHolder } from "./session.ts";

interface Parts {
  database: Database;
  tree: LogTree;
  appender: Pick<Appender, "append">;
  sessions: SessionHolder;
  keysets: KeysetRecords;
}

export class LoggedRevocations implements Revocations {
  readonly #parts: Parts;
  /** By the hex of their statements' digests: once covered by a checkpoint they do not change. */
  readonly #covered = new Map<string, Revocation>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * The operator's administrators may revoke: their tenant is the installation's own.
   * @throws ServiceError `scope_missing`, `request_invalid`, `revocation_limit`
   */
  async add(account: Account, { kind, subject, fromIndex }: NewRevocation) {
    const { database, tree, appender, sessions } = this.#parts;
    if (account.tenantId !== DEFAULT_TENANT)
      throw new ServiceError("scope_missing", "only the operator's tenant may revoke");
    if ((await listRevocations(database, MAX_REVOCATIONS)).length >= MAX_REVOCATIONS)
      throw new ServiceError("revocation_limit");
    const { size } = await tree.head();
    if (fromIndex !== undefined && fromIndex > size)
      throw new ServiceError("request_invalid", "body.fromIndex: the log is not that long yet");
    const from = fromIndex ?? size;
    const fields = { kind: REVOCATION_KINDS[kind], subject, fromIndex: from };
    const statement = await sessions.current().signWith((vault) => vault.signRevocation(fields));
    const leafIndex = await appendOwn(appender, "Revocation", statement);
    return { receiptId: toHex(statement.digest), leafIndex, fromIndex: from };
  }

  async list(): Promise<string> {
    const rows = await listRevocations(this.#parts.database, MAX_REVOCATIONS);
    const revocations: Revocation[] = [];
    for (const row of rows) {
      const revocation = this.#covered.get(toHex(row.digest)) ?? (await this.#load(row));
      if (revocation) revocations.push(revocation);
    }
    return JSON.stringify(revocationsToJson(revocations));
  }

  /** Undefined until a checkpoint covers it: before, nobody could check that it is in the log. */
  async #load(row: StoredStatement): Promise<Revocation | undefined> {
    const log = await this.#parts.keysets.logProof(row.leafIndex);
    const keyset = await readDocument(this.#parts.database, row.keysetDigest);
    if (!log || !keyset) return undefined;
    const statement = decodeStatement("Revocation", row.words);
    const revocation = { statement, signature: row.signature, keyset: fromUtf8(keyset), log };
    this.#covered.set(toHex(row.digest), revocation);
    return revocation;
  }
}
