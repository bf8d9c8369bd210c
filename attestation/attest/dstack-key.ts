/** A key of the application's own by dstack's guest agent (`GetKey`): the same on every instance of the application, and on no other. */
import { CodecError, fromHex } from "../../codec/index.ts";
import { CollectorError, collectorError } from "./collector-error.ts";
import { DEFAULT_TIMEOUT_MS } from "./collector.ts";
import { DSTACK, DSTACK_PATHS, findSocket, postToAgent } from "./dstack.ts";

export interface DstackKeyOptions {
  /** Of the agent's socket; where it is by default, unless told. */
  socketPath?: string | undefined;
  /** What the key is called; another name is another key. */
  name: string;
  timeoutMs?: number;
}

/**
 * @returns 32 bytes
 * @throws CollectorError
 */
export async function dstackKey({
  socketPath,
  name,
  timeoutMs = DEFAULT_TIMEOUT_MS,
}: DstackKeyOptions): Promise<Uint8Array> {
  try {
    const socket = await findSocket(socketPath === undefined ? DSTACK_PATHS : [socketPath]);
    const body = JSON.stringify({ path: name, purpose: "encryption" });
    const { status, text } = await postToAgent(socket, "/GetKey", body, timeoutMs);
    if (status !== 200) throw new CollectorError(DSTACK, "interface_failed", `the agent answered ${status}`);
    return keyIn(text);
  } catch (error) {
    throw collectorError(DSTACK, "no key of the application", error);
  }
}

/** What the agent said is in no message. */
function keyIn(text: string): Uint8Array {
  try {
    const { key } = JSON.parse(text) as { key?: unknown };
    if (typeof key === "string") return fromHex(key.replace(/^0x/, ""), 32);
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof CodecError || error instanceof TypeError))
      throw error;
  }
  throw new CollectorError(DSTACK, "reply_malformed", "the answer holds no key of 32 bytes in hex");
}
