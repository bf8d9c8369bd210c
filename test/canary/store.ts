/** The database as a client of it sees it: what a file holds compressed or in pieces is whole here. */
import type { Pool } from "pg";
import type { Search } from "./search.ts";

const PAGE_ROWS = 500;

/** Every row of every table of every schema, as text: bytes are in hex there. */
export async function searchRows(pool: Pool, search: Search): Promise<void> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  );
  for (const { name } of tables) {
    for (let offset = 0; ; offset += PAGE_ROWS) {
      const { rows } = await pool.query<{ line: string }>(
        `SELECT t::text AS line FROM ${name} t OFFSET ${offset} LIMIT ${PAGE_ROWS}`,
      );
      for (const { line } of rows) search.bytes(Buffer.from(line), `table ${name}`);
      if (rows.length < PAGE_ROWS) break;
    }
  }
}

/** A table of our own with what must then be found. */
export async function plant(pool: Pool, bytes: Uint8Array): Promise<void> {
  await pool.query("CREATE TABLE canary_planted (value bytea)");
  await pool.query("INSERT INTO canary_planted VALUES ($1)", [Buffer.from(bytes)]);
}
