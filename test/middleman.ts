/** A man in the middle: a loopback proxy whose answers a test may change, hold back or drop. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Middleman {
  url: string;
  /** What becomes of an answer; undefined: it never comes. */
  change: (path: string, answer: Response) => Promise<Response | undefined> | Response | undefined;
  close(): Promise<void>;
}

export async function startMiddleman(target: string): Promise<Middleman> {
  const server = createServer((request, reply) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", async () => {
      const { host: _, connection: __, "content-length": ___, ...headers } = request.headers;
      const method = request.method ?? "GET";
      const path = request.url ?? "/";
      const answer = await fetch(target + path, {
        method,
        headers: headers as Record<string, string>,
        body: method === "GET" ? null : Buffer.concat(parts),
      });
      const changed = await middleman.change(path, answer);
      if (!changed) return;
      const kept = [...changed.headers].filter(
        ([name]) => !/^(content-length|transfer-encoding|connection)$/.test(name),
      );
      reply.writeHead(changed.status, Object.fromEntries(kept));
      reply.end(Buffer.from(await changed.arrayBuffer()));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const middleman: Middleman = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    change: (_, answer) => answer,
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(() => done()));
    },
  };
  return middleman;
}
