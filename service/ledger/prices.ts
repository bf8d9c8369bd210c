/** The price list that the operator gave: put in force in each vault, stated in the log where it changed, published. */
import { readFile } from "node:fs/promises";
import { BalanceError, priceListDigest, verifyPriceList } from "../../balances/index.ts";
import { equal, utf8 } from "../../codec/index.ts";
import { VaultError, type Vault } from "../../vault/index.ts";
import { ConfigError } from "../config.ts";
import { lastPriceList, type Appender, type Database } from "../db/index.ts";
import { appendOwn } from "../own-statement.ts";
import type { Session } from "../session.ts";

interface Parts {
  database: Database;
  appender: Pick<Appender, "append">;
}

export class Prices {
  /** The signed document's exact text. */
  readonly text: string;
  readonly #parts: Parts;
  readonly #digest: Uint8Array;
  readonly #installed = new WeakMap<Vault, Promise<void>>();

  constructor(text: string, parts: Parts) {
    this.text = text;
    this.#parts = parts;
    this.#digest = priceListDigest(text);
  }

  /** @throws ConfigError `setting_invalid` where the file is no price list */
  static async read(file: string, parts: Parts): Promise<Prices> {
    try {
      const text = (await readFile(file, "utf8")).replace(/\n$/, "");
      verifyPriceList(text);
      return new Prices(text, parts);
    } catch (cause) {
      const why = cause instanceof BalanceError ? cause.message : "the file cannot be read";
      throw new ConfigError("setting_invalid", ["AFFIDAVIT_PRICES"], why);
    }
  }

  /**
   * The session's vault has the list in force when this resolves, and the log says so where it is another than before.
   * @throws ConfigError `setting_invalid` where it is not the service owner's; ServiceError; VaultError; DatabaseError
   */
  install(session: Session): Promise<void> {
    let installed = this.#installed.get(session.vault);
    if (!installed) {
      installed = this.#install(session);
      this.#installed.set(session.vault, installed);
      // One that failed is tried again by whoever asks next.
      installed.catch(() => this.#installed.delete(session.vault));
    }
    return installed;
  }

  async #install(session: Session): Promise<void> {
    const { database, appender } = this.#parts;
    const last = await lastPriceList(database);
    const signed = await session.signWith((vault) => vault.installPriceList(this.text)).catch(refused);
    if (last && equal(last, this.#digest)) return;
    const document = { kind: "price-list", digest: this.#digest, bytes: utf8(this.text) } as const;
    await appendOwn(appender, "PolicyChange", signed, [document]);
  }
}

function refused(cause: unknown): never {
  if (!(cause instanceof VaultError) || cause.code !== "owner_unknown") throw cause;
  throw new ConfigError(
    "setting_invalid",
    ["AFFIDAVIT_PRICES", "AFFIDAVIT_OWNER_KEY"],
    "the price list is signed by another key than the service's owner",
  );
}
