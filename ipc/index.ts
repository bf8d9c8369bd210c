/** Typed, bounded request and reply frames between a process and its children, over an inherited socket pair. */
import { Socket } from "node:net";

export { connect, type Channel, type ChannelOptions, type Reply } from "./channel.ts";
export { ChannelError, type ChannelErrorCode } from "./error.ts";
export type { Frame } from "./frame.ts";

/** The child's end of a socket pair that its parent made with `stdio: [..., "pipe"]` at index `fd`. */
export function inheritedSocket(fd = 3): Socket {
  return new Socket({ fd, readable: true, writable: true });
}
