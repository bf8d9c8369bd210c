/**
 * Entry of an engine host: a child process that runs models one call at a time and that its pool may kill at any
 * moment. Arguments: the parent's process id. File 3 is the channel, file 4 the ledger.
 */
import { connect, inheritedSocket } from "../../ipc/index.ts";
import type { Frame, Reply } from "../../ipc/index.ts";
import { confine } from "./confine.ts";
import { seenDevices } from "./devices/seen.ts";
import { encodeFailure, HostError } from "./failure.ts";
import { writeLedger } from "./ledger.ts";
import { parseLoadRequest } from "./load-request.ts";
import { ModelSession } from "./session.ts";
import { decodeTensors, encodeTensors, MAX_FRAME_BYTES, REPLY, REQUEST, RUN_PREFIX_BYTES } from "./wire.ts";

const CHANNEL_FD = 3;
const LEDGER_FD = 4;

const models = new Map<number, ModelSession>();
const skipped = new Set<number>();
/** Numbers rise in the order in which runs come. */
let lastTaken = 0;
const EMPTY = new Uint8Array(0);

/** Work is done strictly in the order it came: the pool counts on it. */
let tail: Promise<unknown> = Promise.resolve();
function inTurn(task: () => Promise<Reply>): Promise<Reply> {
  const result = tail
    .then(task)
    .catch((error: unknown) => ({ kind: REPLY.failed, payload: encodeFailure(error) }));
  // The turn of the event loop in between sends the reply off before the next native call blocks this thread.
  tail = result.then(() => new Promise((resolve) => setImmediate(resolve)));
  return result;
}

function serve({ kind, payload }: Frame): Reply | Promise<Reply> {
  switch (kind) {
    case REQUEST.run:
      return inTurn(() => run(payload));
    case REQUEST.skip:
      return skip(payload.readDoubleLE(0));
    case REQUEST.hello:
      return { kind: REPLY.done, payload: Buffer.from([confined ? 1 : 0]) };
    case REQUEST.loadBegin:
      return inTurn(async () => beginLoad(payload));
    case REQUEST.loadPiece:
      return inTurn(async () => {
        model(payload.readUInt32LE(0)).addPiece(payload.subarray(4));
        return { kind: REPLY.done, payload: EMPTY };
      });
    case REQUEST.loadEnd:
      return inTurn(() => endLoad(payload.readUInt32LE(0)));
    case REQUEST.unload:
      return inTurn(() => unload(payload.readUInt32LE(0)));
    case REQUEST.devices:
      return inTurn(async () => ({ kind: REPLY.done, payload: Buffer.from(JSON.stringify(seenDevices())) }));
    default:
      return {
        kind: REPLY.failed,
        payload: encodeFailure(new HostError("engine_failed", "unknown request")),
      };
  }
}

/** Too late for a run that was taken already; its number would otherwise be kept for ever. */
function skip(number: number): Reply {
  if (number > lastTaken) skipped.add(number);
  return { kind: REPLY.done, payload: EMPTY };
}

async function run(payload: Buffer): Promise<Reply> {
  const number = payload.readDoubleLE(8);
  lastTaken = number;
  if (skipped.delete(number)) return { kind: REPLY.skipped, payload: EMPTY };
  const session = model(payload.readUInt32LE(0));
  const tensors = decodeTensors(payload.subarray(RUN_PREFIX_BYTES));
  writeLedger(LEDGER_FD, number);
  const started = performance.now();
  const outputs = await session.run(tensors);
  const duration = Buffer.allocUnsafe(8);
  duration.writeDoubleLE(performance.now() - started, 0);
  return { kind: REPLY.done, payload: [duration, ...encodeTensors(outputs)] };
}

function beginLoad(payload: Buffer): Reply {
  const request = parseLoadRequest(payload);
  models.set(request.model, new ModelSession(request));
  return { kind: REPLY.done, payload: EMPTY };
}

async function endLoad(number: number): Promise<Reply> {
  try {
    const reply = await model(number).open();
    return { kind: REPLY.done, payload: Buffer.from(JSON.stringify(reply)) };
  } catch (error) {
    await unload(number);
    throw error;
  }
}

async function unload(number: number): Promise<Reply> {
  const session = models.get(number);
  models.delete(number);
  await session?.close();
  return { kind: REPLY.done, payload: EMPTY };
}

function model(number: number): ModelSession {
  const session = models.get(number);
  if (session === undefined) throw new HostError("model_unavailable", "the model is not loaded");
  return session;
}

const confined = confine(Number(process.argv[2]));
const channel = connect(inheritedSocket(CHANNEL_FD), { maxFrameBytes: MAX_FRAME_BYTES, serve });
await channel.closed;
process.exit(0);
