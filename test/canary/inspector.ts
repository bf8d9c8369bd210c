/** Node's own debugger of the service under test, to have it collect its garbage and list its live strings. */
import { setTimeout as sleep } from "node:timers/promises";

export class Inspector {
  readonly #socket: WebSocket;
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** @param output of a process that was started with `--inspect=127.0.0.1:0` */
  static async of(output: string): Promise<Inspector> {
    const url = /Debugger listening on (ws:\S+)/.exec(output)?.[1];
    if (!url) throw new Error("the service has no debugger");
    const socket = new WebSocket(url);
    await new Promise((done, fail) => {
      socket.addEventListener("open", done);
      socket.addEventListener("error", () => fail(new Error("the debugger does not answer")));
    });
    return new Inspector(socket);
  }

  /** Forced collection, more than once: finalisers of one round free what the next collects. */
  async collectGarbage(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      await this.#ask("HeapProfiler.collectGarbage");
      await sleep(200);
    }
  }

  /** Every string of the JavaScript heap that something still holds. */
  async liveStrings(): Promise<string[]> {
    const parts: string[] = [];
    const listen = ({ data }: MessageEvent): void => {
      const { method, params } = JSON.parse(String(data)) as { method?: string; params?: { chunk: string } };
      if (method === "HeapProfiler.addHeapSnapshotChunk") parts.push(params!.chunk);
    };
    this.#socket.addEventListener("message", listen);
    await this.#ask("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
    this.#socket.removeEventListener("message", listen);
    return (JSON.parse(parts.join("")) as { strings: string[] }).strings;
  }

  close(): void {
    this.#socket.close();
  }

  #ask(method: string, params: object = {}): Promise<void> {
    const id = ++this.#lastId;
    return new Promise((done, fail) => {
      const listen = ({ data }: MessageEvent): void => {
        const answer = JSON.parse(String(data)) as { id?: number; error?: { message: string } };
        if (answer.id !== id) return;
        this.#socket.removeEventListener("message", listen);
        if (answer.error) fail(new Error(answer.error.message));
        else done();
      };
      this.#socket.addEventListener("message", listen);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}
