import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { temporaryDirectory } from "../../../test/postgres.ts";
import { canReach } from "./account.ts";
import { findBinaries } from "./binaries.ts";
import { startEmbedded, type EmbeddedEvent, type EmbeddedServer } from "./index.ts";
import { parsePidFile } from "./orphan.ts";

const isRoot = process.geteuid?.() === 0;
const NOBODY = { name: "nobody", uid: 65534, gid: 65534 };

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).toReversed()) await step();
});

function folder(mode = 0o711): string {
  const { path, remove } = temporaryDirectory(mode);
  cleanUp.push(remove);
  return path;
}

/** A data directory that was used before: copied, since making one takes a second. */
let template: string;
beforeAll(async () => {
  const { path, remove } = temporaryDirectory();
  template = join(path, "data");
  const server = await startEmbedded({ dataDirectory: template });
  await server.stop();
  return remove;
});

function usedData(): string {
  const data = join(folder(), "data");
  execFileSync("cp", ["-a", template, data]);
  return data;
}

interface Started extends EmbeddedServer {
  events: EmbeddedEvent[];
}

async function start(dataDirectory: string, sharedDirectory = folder()): Promise<Started> {
  const events: EmbeddedEvent[] = [];
  const server = await startEmbedded({
    dataDirectory,
    sharedDirectory,
    onEvent: (event) => events.push(event),
  });
  cleanUp.push(() => server.stop());
  return Object.assign(server, { events });
}

async function ask(server: EmbeddedServer, statement: string): Promise<unknown> {
  const client = new Client(server.connection);
  client.on("error", () => {});
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(statement);
    return rows[0] && Object.values(rows[0])[0];
  } finally {
    await client.end();
  }
}

/** Another process that starts a server, says so, and then waits to be killed. */
async function startElsewhere(
  dataDirectory: string,
  identity: { uid?: number; gid?: number } = {},
): Promise<{ child: ChildProcess; said: string }> {
  const script = `import { startEmbedded } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    try {
      const server = await startEmbedded({ dataDirectory: process.argv[1], sharedDirectory: process.argv[2] });
      console.log("pid " + server.pid());
      setInterval(() => {}, 1000);
    } catch (error) { console.log("code " + error.code); }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, dataDirectory, folder()], {
    ...identity,
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: "/usr/bin:/bin" },
  });
  cleanUp.push(() => child.kill("SIGKILL"));
  const said = await new Promise<string>((resolve) =>
    child.stdout!.once("data", (chunk) => resolve(String(chunk).trim())),
  );
  return { child, said };
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 1000) throw new Error("it never happened");
    await sleep(10);
  }
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
}

describe("the embedded server", () => {
  test("is PostgreSQL 18 that flushes, keeps its data and stops", async () => {
    const data = join(folder(), "data");
    const first = await start(data);
    expect(await ask(first, "SHOW server_version")).toMatch(/^18\./);
    expect(await ask(first, "SHOW fsync")).toBe("on");
    expect(await ask(first, "SHOW synchronous_commit")).toBe("on");
    expect(await ask(first, "SHOW data_checksums")).toBe("on");
    expect(await ask(first, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")).toBe(false);
    await ask(first, "CREATE TABLE kept AS SELECT 42 AS answer");
    const pid = first.pid()!;
    await first.stop();
    expect(isAlive(pid)).toBe(false);
    const second = await start(data);
    expect(second.events.map(({ kind }) => kind)).not.toContain("initialised");
    expect(await ask(second, "SELECT answer FROM kept")).toBe(42);
  });

  test("lets nobody in without the password, and keeps that to its owner", async () => {
    const data = usedData();
    const server = await start(data);
    expect(statSync(join(data, "postgres.json")).mode & 0o777).toBe(0o600);
    const client = new Client({ ...server.connection, password: "guess" });
    await expect(client.connect()).rejects.toMatchObject({ code: "28P01" });
    expect(statSync(server.connection.host).mode & 0o077).toBe(0);
    expect(JSON.stringify(server.events)).not.toContain(server.connection.password);
  });

  test("refuses a second start on the same data, here and in another process", async () => {
    const data = usedData();
    const server = await start(data);
    await expect(start(data)).rejects.toMatchObject({
      code: "database_in_use",
      message: expect.stringContaining(String(process.pid)),
    });
    const { said } = await startElsewhere(data);
    expect(said).toBe("code database_in_use");
    expect(await ask(server, "SELECT 1")).toBe(1);
  });

  test("starts again after kill -9 of the server, and says so", async () => {
    const server = await start(usedData());
    await ask(server, "CREATE TABLE kept AS SELECT 42 AS answer");
    const before = server.pid()!;
    process.kill(before, "SIGKILL");
    await until(() => server.pid() !== undefined && server.pid() !== before);
    expect(await ask(server, "SELECT answer FROM kept")).toBe(42);
    expect(server.events).toContainEqual(expect.objectContaining({ kind: "crashed", signal: "SIGKILL" }));
  });

  test("stops the server that a killed service left, then starts its own", async () => {
    const data = usedData();
    const { child, said } = await startElsewhere(data);
    const orphan = Number(said.replace("pid ", ""));
    child.kill("SIGKILL");
    await until(() => child.signalCode !== null);
    expect(isAlive(orphan)).toBe(true);
    const server = await start(data);
    expect(server.events.map(({ kind }) => kind)).toContain("orphan_stopped");
    expect(isAlive(orphan)).toBe(false);
    expect(await ask(server, "SELECT 1")).toBe(1);
  });

  test("leaves another process alone whose id stands in a stale postmaster.pid", async () => {
    const data = usedData();
    const server = await start(data);
    const cluster = readdirSync(data).includes("postgres") ? join(data, "postgres", "cluster") : "";
    const running = readFileSync(join(cluster, "postmaster.pid"), "utf8");
    await server.stop();
    const bystander = spawn("sleep", ["60"], isRoot ? { uid: statSync(cluster).uid } : {});
    cleanUp.push(() => bystander.kill());
    await until(() => bystander.pid !== undefined);
    writeFileSync(join(cluster, "postmaster.pid"), running.replace(/^[0-9]+/, String(bystander.pid)));
    if (isRoot) execFileSync("chown", ["--reference", cluster, join(cluster, "postmaster.pid")]);
    const again = await start(data);
    expect(await ask(again, "SELECT 1")).toBe(1);
    expect(isAlive(bystander.pid!)).toBe(true);
  });

  test("takes a folder with a very long name", async () => {
    const data = join(folder(), "long".repeat(20), "data");
    mkdirSync(dirname(data), { recursive: true });
    expect(await ask(await start(data), "SELECT 1")).toBe(1);
  });

  test("will not make an empty database where one was lost", async () => {
    const data = usedData();
    const server = await start(data);
    await server.stop();
    const secrets = readFileSync(join(data, "postgres.json"));
    rmSync(join(data, "postgres.json"));
    await expect(start(data)).rejects.toMatchObject({ code: "embedded_place_lost" });
    writeFileSync(join(data, "postgres.json"), secrets);
    writeFileSync(join(data, "postgres.place"), "/nowhere/at/all\n");
    await expect(start(data)).rejects.toMatchObject({ code: "embedded_place_lost" });
  });
});

describe.skipIf(!isRoot)("as root", () => {
  test("the server runs as another user", async () => {
    const server = await start(usedData());
    expect(statSync(`/proc/${server.pid()}`).uid).not.toBe(0);
  });

  test("below a folder that only root enters, data and programs go elsewhere and are found again", async () => {
    const data = join(folder(0o700), "data");
    const shared = folder();
    const first = await start(data, shared);
    await ask(first, "CREATE TABLE kept AS SELECT 42 AS answer");
    await first.stop();
    expect(existsSync(join(data, "postgres"))).toBe(false);
    expect(await ask(await start(data, shared), "SELECT answer FROM kept")).toBe(42);
  });

  test("a shared folder that others can write to is refused", async () => {
    const shared = folder();
    chmodSync(shared, 0o777);
    await expect(start(join(folder(0o700), "data"), shared)).rejects.toMatchObject({
      code: "embedded_place_refused",
    });
  });

  const reachable = isRoot && canReach(import.meta.filename, NOBODY);
  const name = "an ordinary user starts one too, below a private folder of its own";
  test.skipIf(!reachable)(`${name} (needs a checkout that such a user can read)`, async () => {
    const home = folder(0o700);
    execFileSync("chown", [`${NOBODY.uid}:${NOBODY.gid}`, home]);
    const { said, child } = await startElsewhere(join(home, "data"), NOBODY);
    expect(said).toMatch(/^pid [0-9]+$/);
    expect(statSync(`/proc/${said.replace("pid ", "")}`).uid).toBe(NOBODY.uid);
    child.kill("SIGKILL");
    process.kill(Number(said.replace("pid ", "")), "SIGINT");
    await until(() => !isAlive(Number(said.replace("pid ", ""))));
  });

  test("programs that the account cannot reach are copied, complete with links", () => {
    const hidden = join(folder(0o700), "native");
    execFileSync("cp", ["-r", dirname(dirname(findBinaries(null, "").postgres)), hidden]);
    const copies = join(folder(), "copies");
    const programs = findBinaries(NOBODY, copies, hidden);
    expect(programs.postgres.startsWith(copies)).toBe(true);
    expect(execFileSync(programs.postgres, ["--version"], { ...NOBODY, encoding: "utf8" })).toMatch(
      /PostgreSQL\) 18/,
    );
    expect(findBinaries(NOBODY, copies, hidden)).toEqual(programs);
    expect(readdirSync(copies)).toHaveLength(1);
  });

  test("reach is judged by every parent", () => {
    const open = folder(0o755);
    mkdirSync(join(open, "shut", "inner"), { recursive: true });
    expect(canReach(join(open, "shut", "inner"), NOBODY)).toBe(true);
    chmodSync(join(open, "shut"), 0o700);
    expect(canReach(join(open, "shut", "inner"), NOBODY)).toBe(false);
  });
});

test.each(["", "x", "-5", "0", "1e99", "9".repeat(40)])(
  "a pid file that starts with %j names no process",
  (text) => {
    expect(parsePidFile(text + "\n/x\n")).toBeUndefined();
  },
);
