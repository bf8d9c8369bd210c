/** A worker's end of HTTP: what it asks of its service, and answers that are held against their form, since it trusts it little. */
import { z } from "zod";
import { fromBase64, fromHex, toHex } from "../../codec/index.ts";
import type { ShownEvidence, WorkerReport, WorkerTask } from "../workers/index.ts";

const TIMEOUT_MS = 60_000;
/** A payload of 16 MiB in base64, and what stands beside it. */
const MAX_ANSWER_BYTES = 24 * 1024 * 1024;
const MAX_TASK_MS = 30 * 24 * 3_600_000;

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const base64 = z.base64().max(MAX_ANSWER_BYTES);
const challengeSchema = z.object({ nonce: hex(32) });
const sessionSchema = z.object({ id: z.uuid(), attested: z.boolean() });
const taskSchema = z.object({
  id: z.uuid(),
  jobId: z.uuid(),
  circuitId: z.string().regex(/^0x[0-9a-f]{64}$/),
  timeoutMs: z.int().min(1).max(MAX_TASK_MS),
  sealed: base64.optional(),
  sealedKey: hex(80).optional(),
  payload: base64.optional(),
});
const reportedSchema = z.object({ ended: z.boolean() });

/** The service said no: by a code of its problem table, or `answer_malformed`, or `unreachable`. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: string;
  readonly retryAfterMs: number | undefined;
  constructor(
    code: string,
    message: string,
    options: ErrorOptions & { retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export interface Introduced {
  circuits: readonly string[];
  evidence: ShownEvidence | undefined;
}

export class Connection {
  readonly #url: string;
  readonly #apiKey: string;

  /** @param url without a slash at its end */
  constructor(url: string, apiKey: string) {
    this.#url = url;
    this.#apiKey = apiKey;
  }

  /** 32 bytes. @throws ConnectionError */
  async challenge(signal: AbortSignal): Promise<Uint8Array> {
    return fromHex((await this.#ask(challengeSchema, "POST", "/challenges", undefined, signal)).nonce);
  }

  /** @throws ConnectionError */
  async begin({ circuits, evidence }: Introduced, signal: AbortSignal): Promise<{ id: string }> {
    const shown = evidence && {
      ...evidence,
      nonce: toHex(evidence.nonce),
      hpkeKey: toHex(evidence.hpkeKey),
      quote: Buffer.from(evidence.quote).toString("base64"),
    };
    const body = { kind: "prove", circuits, ...(shown && { evidence: shown }) };
    return await this.#ask(sessionSchema, "POST", "", body, signal);
  }

  /** Undefined where none came within the service's patience. @throws ConnectionError */
  async next(id: string, signal: AbortSignal): Promise<WorkerTask | undefined> {
    const text = await this.#send("POST", `/${id}/tasks`, undefined, signal);
    if (text === "") return undefined;
    const { sealed, sealedKey, payload, circuitId, ...rest } = parse(taskSchema, text);
    const task = { ...rest, circuitId: fromHex(circuitId.slice(2), 32) };
    if (payload !== undefined) return { ...task, payload: { clear: fromBase64(payload) } };
    if (sealed === undefined || sealedKey === undefined) throw malformed();
    return { ...task, payload: { sealed: fromBase64(sealed), sealedKey: fromHex(sealedKey, 80) } };
  }

  /** @returns whether the task is over. @throws ConnectionError */
  async report(id: string, taskId: string, report: WorkerReport, signal: AbortSignal): Promise<boolean> {
    return (await this.#ask(reportedSchema, "POST", `/${id}/tasks/${taskId}`, bodyOf(report), signal)).ended;
  }

  /** @throws ConnectionError */
  async end(id: string): Promise<void> {
    await this.#send("DELETE", `/${id}`, undefined, AbortSignal.timeout(5000));
  }

  async #ask<T>(
    schema: z.ZodType<T>,
    method: string,
    path: string,
    body: object | undefined,
    signal: AbortSignal,
  ): Promise<T> {
    return parse(schema, await this.#send(method, path, body, signal));
  }

  async #send(method: string, path: string, body: object | undefined, given: AbortSignal): Promise<string> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${this.#url}/v1/workers${path}`, {
        method,
        headers: { authorization: `Bearer ${this.#apiKey}`, "content-type": "application/json" },
        ...(body && { body: JSON.stringify(body) }),
        redirect: "error",
        signal: AbortSignal.any([given, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      text = await readBounded(response);
    } catch (cause) {
      if (cause instanceof ConnectionError) throw cause;
      throw new ConnectionError("unreachable", "the service does not answer", { cause });
    }
    if (response.ok) return text;
    const seconds = Number(response.headers.get("retry-after"));
    const retryAfterMs = seconds > 0 ? Math.min(seconds, 3600) * 1000 : undefined;
    throw new ConnectionError(codeOf(text), detailOf(text), { retryAfterMs });
  }
}

function bodyOf(report: WorkerReport): object {
  if (report.kind === "progress") return { stage: report.stage };
  if (report.kind === "failure") return { code: report.code };
  const { proof, instances } = report.parts;
  return { proof: Buffer.from(proof).toString("base64"), instances: instances.map(toHex) };
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed(cause);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw malformed(result.error);
}

function malformed(cause?: unknown): ConnectionError {
  return new ConnectionError("answer_malformed", "the service's answer is none of a service for workers", {
    cause,
  });
}

function member(text: string, name: string): string | undefined {
  try {
    const value: unknown = Reflect.get(JSON.parse(text) as object, name);
    return typeof value === "string" ? value.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 500) : undefined;
  } catch {
    return undefined;
  }
}

function codeOf(text: string): string {
  const code = member(text, "code");
  return code !== undefined && /^[a-z][a-z0-9_]{0,63}$/.test(code) ? code : "answer_malformed";
}

function detailOf(text: string): string {
  return member(text, "detail") ?? "the service says not why";
}

async function readBounded(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > MAX_ANSWER_BYTES) throw malformed();
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
