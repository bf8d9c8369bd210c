/** From frames to operations and back. A refusal is one byte; nothing else about a failure leaves the process. */
import type { Frame, Reply } from "../../ipc/index.ts";
import { errorNumber, VaultError } from "../error.ts";
import {
  OPERATIONS,
  REFUSED_KIND,
  type Operation,
  type OperationName,
  type ReplyOf,
  type RequestOf,
} from "../wire/operations.ts";
import { decode, encode } from "../wire/shape.ts";

/** What carries each operation out; one that answers at once does so without yielding. */
export type Handlers = {
  [N in OperationName]: (request: RequestOf<N>) => ReplyOf<N> | Promise<ReplyOf<N>>;
};

interface Served {
  name: OperationName;
  operation: Operation<unknown, unknown>;
  handle: (request: unknown) => unknown;
}

/**
 * @param log gets a line for failures that are the vault's own
 * @param admit throws, or rejects, where no more of an operation may be done; undefined lets it pass at once
 */
export function serveHandlers(
  handlers: Handlers,
  log: (line: string) => void,
  admit: (name: OperationName, request: unknown) => Promise<void> | undefined,
): (frame: Frame) => Reply | Promise<Reply> {
  const byKind = new Map<number, Served>(
    (Object.keys(OPERATIONS) as OperationName[]).map((name) => [
      OPERATIONS[name].kind,
      { name, operation: OPERATIONS[name], handle: handlers[name] } as Served,
    ]),
  );
  const refuse = (error: unknown) => refusal(error, log);
  return (frame) => {
    try {
      const served = byKind.get(frame.kind);
      if (!served) throw new VaultError("malformed");
      const { name, operation, handle } = served;
      const reply = (value: unknown) => ({ kind: operation.kind, payload: encode(operation.reply, value) });
      const request = decode(operation.request, frame.payload);
      const admitted = admit(name, request);
      const result = admitted ? admitted.then(() => handle(request)) : handle(request);
      return result instanceof Promise ? result.then(reply).catch(refuse) : reply(result);
    } catch (error) {
      return refuse(error);
    }
  };
}

export function refusal(error: unknown, log: (line: string) => void): Reply {
  if (error instanceof VaultError) {
    return { kind: REFUSED_KIND, payload: Uint8Array.of(errorNumber(error.code)) };
  }
  log(`internal: ${error instanceof Error ? (error.stack ?? error.message) : "unknown"}`);
  return { kind: REFUSED_KIND, payload: Uint8Array.of(errorNumber("internal")) };
}
