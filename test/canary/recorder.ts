/** A hop without TLS: a loopback TCP proxy that keeps every byte of both directions. */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Recorder {
  url: string;
  /** Each connection's bytes, one buffer a direction. */
  captured(): Buffer[];
  close(): Promise<void>;
}

/** @param target the service's URL */
export async function startRecorder(target: string): Promise<Recorder> {
  const { hostname, port } = new URL(target);
  const flows: Buffer[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer((caller) => {
    const service = connect(Number(port), hostname);
    for (const [from, to] of [
      [caller, service],
      [service, caller],
    ] as const) {
      const flow: Buffer[] = [];
      flows.push(flow);
      sockets.add(from);
      from.on("data", (chunk: Buffer) => flow.push(chunk));
      from.on("error", () => to.destroy());
      from.on("close", () => sockets.delete(from));
      from.pipe(to);
    }
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    captured: () => flows.map((flow) => Buffer.concat(flow)),
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => server.close(() => done()));
    },
  };
}
