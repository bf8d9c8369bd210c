/** The two services side by side, each a process of its own with its own engine host. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { startService } from "../test/service-process.ts";

export interface Side {
  url: string;
  apiKey: string;
}

export interface Sides {
  /** The road of the statement: AFFIDAVIT_OTHER_FORMS=false. */
  whole: Side & { directory: string };
  /** As shipped: the vault signs AIR, ACI and dstack forms besides. */
  forms: Side;
  bare: Side;
  stop(): Promise<void>;
}

const BARE = new URL("./bare-service.ts", import.meta.url).pathname;
const START_TIMEOUT_MS = 60_000;
/** The same on both: a request's log line is no part of what a receipt costs. */
const ENVIRONMENT = { AFFIDAVIT_LOG_LEVEL: "warn" };

/** @param more settings of all three, and what drivers read */
export async function startSides(more: Readonly<Record<string, string>> = {}): Promise<Sides> {
  const started: { stop(): Promise<void> }[] = [];
  const stop = async (): Promise<void> => void (await Promise.all(started.map((side) => side.stop())));
  try {
    const environment = { ...more, ...ENVIRONMENT, AFFIDAVIT_SERVER_TIMING: "true" };
    const whole = await startService({ environment: { ...environment, AFFIDAVIT_OTHER_FORMS: "false" } });
    started.push(whole);
    const forms = await startService({ environment });
    started.push(forms);
    const bare = await startBare(more);
    started.push(bare);
    return { whole, forms, bare, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startBare(more: Readonly<Record<string, string>>): Promise<Side & { stop(): Promise<void> }> {
  const apiKey = randomBytes(32).toString("base64url");
  const child = spawn(process.execPath, [BARE], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env["PATH"], PORT: "0", ...more, ...ENVIRONMENT, BENCH_API_KEY: apiKey },
  });
  const exited = new Promise<void>((done) => child.once("exit", () => done()));
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited;
  };
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    const url = /Listening on (http:\/\/\S+)\n/.exec(output)?.[1];
    if (url) resolve(url);
  });
  const timer = setTimeout(() => reject(new Error("the bare service is not up in time")), START_TIMEOUT_MS);
  void exited.then(() => reject(new Error("the bare service did not start")));
  try {
    return { url: await promise, apiKey, stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
