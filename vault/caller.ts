/** One operation at the vault's other end: a frame there, a frame back. */
import { ChannelError, type Channel } from "../ipc/index.ts";
import { errorOfNumber, VaultError } from "./error.ts";
import {
  OPERATIONS,
  REFUSED_KIND,
  type Operation,
  type OperationName,
  type ReplyOf,
  type RequestOf,
} from "./wire/operations.ts";
import { decode, encode } from "./wire/shape.ts";

export class Caller {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** @throws VaultError what the vault refused, or why it did not answer */
  protected async call<N extends OperationName>(name: N, request: RequestOf<N>): Promise<ReplyOf<N>> {
    const operation = OPERATIONS[name] as unknown as Operation<RequestOf<N>, ReplyOf<N>>;
    const payload = encode(operation.request, request);
    try {
      const reply = await this.#channel.request(operation.kind, payload);
      if (reply.kind === REFUSED_KIND) throw errorOfNumber(reply.payload[0] ?? 0);
      if (reply.kind !== operation.kind) throw new VaultError("malformed");
      return decode(operation.reply, reply.payload);
    } catch (error) {
      throw error instanceof ChannelError ? vaultErrorOf(error) : error;
    }
  }
}

function vaultErrorOf(error: ChannelError): VaultError {
  if (error.code === "busy") return new VaultError("busy", { cause: error });
  if (error.code === "frame_too_large") return new VaultError("request_too_large", { cause: error });
  if (error.code === "failed") return new VaultError("internal", { cause: error });
  return new VaultError("vault_gone", { cause: error });
}
