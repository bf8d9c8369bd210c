/** Entry of the thread that reads long requests: one message in, one out. */
import { parentPort } from "node:worker_threads";
import { OipError, parseInferRequest, type InferRequest, type OipErrorCode } from "../models/client.ts";

export type ParseReply = { request: InferRequest } | { code: OipErrorCode; message: string };

interface Message {
  body: Uint8Array;
  headerLength: number | undefined;
}

function parse({ body, headerLength }: Message): ParseReply {
  try {
    return { request: parseInferRequest(body, headerLength) };
  } catch (error) {
    if (!(error instanceof OipError)) throw error;
    return { code: error.code, message: error.message };
  }
}

parentPort!.on("message", (message: Message) => {
  const reply = parse(message);
  const inputs = "request" in reply ? reply.request.inputs : [];
  // Binary inputs are views of one buffer.
  const buffers = new Set(inputs.map(({ data }) => data.buffer as ArrayBuffer));
  parentPort!.postMessage(reply, [...buffers]);
});
