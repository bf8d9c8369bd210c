/**
 * Quotes by dstack's guest agent over its unix socket: `GetQuote` of dstack 0.5 and newer, `Tappd.TdxQuote` of what was
 * before. The answer, which has the event log beside the quote, is evidence of type `dstack`.
 */
import { chown, stat } from "node:fs/promises";
import { request } from "node:http";
import { toHex, utf8 } from "../../codec/index.ts";
import { CollectorError, collectorError } from "./collector-error.ts";
import {
  checkCollected,
  DEFAULT_TIMEOUT_MS,
  withinTime,
  type CollectorOptions,
  type Owner,
  type QuoteDevice,
} from "./collector.ts";

export const DSTACK = "dstack";
export const DSTACK_PATHS = ["/var/run/dstack.sock", "/var/run/tappd.sock"] as const;
/** The vault's channel takes evidence up to this. */
const MAX_ANSWER_BYTES = 128 * 1024;
/** What of the answer is evidence; an agent may say more. */
const MEMBERS = ["quote", "event_log", "report_data", "vm_config"] as const;

interface Method {
  readonly path: string;
  readonly more: Record<string, string>;
}
const METHODS: readonly Method[] = [
  { path: "/GetQuote", more: {} },
  // `raw`: the 64 bytes as they are, neither tagged nor hashed.
  { path: "/prpc/Tappd.TdxQuote?json", more: { hash_algorithm: "raw" } },
];

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** One exchange with the agent. @throws CollectorError `reply_malformed`, `interface_timed_out` */
export function postToAgent(
  socketPath: string,
  path: string,
  body: string,
  timeoutMs: number,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        socketPath,
        path,
        method: "POST",
        agent: false,
        timeout: timeoutMs,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      },
      (response) => {
        const parts: Buffer[] = [];
        let length = 0;
        response.on("data", (part: Buffer) => {
          length += part.length;
          if (length > MAX_ANSWER_BYTES) {
            const message = `an answer of more than ${MAX_ANSWER_BYTES} bytes`;
            asked.destroy(new CollectorError(DSTACK, "reply_malformed", message));
          } else parts.push(part);
        });
        response.on("error", reject);
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") }),
        );
      },
    );
    asked.on("timeout", () =>
      asked.destroy(new CollectorError(DSTACK, "interface_timed_out", `no answer in ${timeoutMs} ms`)),
    );
    asked.on("error", reject);
    asked.end(body);
  });
}

/** The members that are evidence, as JSON of its own. */
function evidenceIn(text: string): Uint8Array {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CollectorError(DSTACK, "reply_malformed", "the answer is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CollectorError(DSTACK, "reply_malformed", "the answer is not an object");
  }
  const given = new Map<string, unknown>(Object.entries(value));
  const kept = MEMBERS.map((name) => [name, given.get(name)] as const).filter(([, member]) => member);
  const texts = kept.filter(
    (entry): entry is [(typeof MEMBERS)[number], string] => typeof entry[1] === "string",
  );
  if (texts.length !== kept.length || !given.has("quote")) {
    throw new CollectorError(DSTACK, "reply_malformed", "the answer holds no quote in hex");
  }
  return utf8(JSON.stringify(Object.fromEntries(texts)));
}

async function quote(socketPath: string, reportData: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
  for (const { path, more } of METHODS) {
    const body = JSON.stringify({ report_data: toHex(reportData), ...more });
    const { status, text } = await postToAgent(socketPath, path, body, timeoutMs);
    if (status === 404) continue;
    if (status !== 200) throw new CollectorError(DSTACK, "interface_failed", `the agent answered ${status}`);
    return evidenceIn(text);
  }
  throw new CollectorError(DSTACK, "interface_failed", "the agent knows neither GetQuote nor Tappd.TdxQuote");
}

/** A socket that is only root's becomes the vault's user's too: root still may. */
async function handOver(path: string, { uid, gid }: Owner): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o002) === 0) await chown(path, uid, gid);
}

/** @throws CollectorError `interface_absent` where there is no such socket */
export async function openDstack(options: CollectorOptions = {}): Promise<QuoteDevice> {
  const socketPath = await findSocket(options.path === undefined ? DSTACK_PATHS : [options.path]);
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  if (options.owner) {
    const handed = handOver(socketPath, options.owner);
    await handed.catch((error: unknown) => {
      throw collectorError(DSTACK, `cannot hand ${socketPath} to the vault's user`, error);
    });
  }
  return {
    type: "dstack",
    async collect(reportData) {
      try {
        const asked = quote(socketPath, reportData, timeoutMs);
        const evidence = await withinTime(DSTACK, timeoutMs, asked);
        checkCollected(DSTACK, "dstack", evidence, reportData);
        return { quote: evidence, certificates: [] };
      } catch (error) {
        throw collectorError(DSTACK, `no quote over ${socketPath}`, error);
      }
    },
    close: async () => undefined,
  };
}

/** @throws CollectorError `interface_absent` */
export async function findSocket(paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    try {
      if ((await stat(path)).isSocket()) return path;
    } catch (error) {
      const absent = collectorError(DSTACK, `cannot look at ${path}`, error);
      if (absent.code !== "interface_absent") throw absent;
    }
  }
  throw new CollectorError(DSTACK, "interface_absent", `no socket at ${paths.join(" or ")}`);
}
