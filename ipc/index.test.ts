import { EventEmitter, once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";
import { Duplex, duplexPair } from "node:stream";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChannelError, connect, type Frame } from "./index.ts";
import { encodeHeader, FrameParser, type RawFrame } from "./frame.ts";

const echo = (frame: Frame) => ({ kind: frame.kind, payload: frame.payload });
const limit = { maxFrameBytes: 1 << 20 };

const tick = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
type Serve = NonNullable<Parameters<typeof connect>[1]["serve"]>;

function pair(serve: Serve = echo) {
  const [a, b] = duplexPair();
  return { client: connect(a, limit), server: connect(b, { ...limit, serve }), a };
}

async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = dial((server.address() as { port: number }).port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  server.close();
  return [near, far];
}

const bytesOf = (frame: RawFrame) =>
  Buffer.concat([encodeHeader(frame.payload.length, frame.id, frame.kind), frame.payload]);

const frames = fc.array(
  fc.record({
    id: fc.integer({ min: 0, max: 0xffff_ffff }),
    kind: fc.integer({ min: 0, max: 255 }),
    payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  }),
  { maxLength: 12 },
);

describe("FrameParser", () => {
  it("gives the same frames wherever the stream is cut", () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1 }), (sent, cuts) => {
        const stream = Buffer.concat(sent.map(bytesOf));
        const parser = new FrameParser(40);
        const received: RawFrame[] = [];
        for (let offset = 0, i = 0; offset < stream.length; i++) {
          const end = offset + cuts[i % cuts.length]!;
          parser.push(stream.subarray(offset, end), (frame) => received.push(frame));
          offset = end;
        }
        expect(received).toEqual(sent);
      }),
    );
  });

  it("refuses a header above the limit as soon as it is whole", () => {
    const parser = new FrameParser(40);
    expect(() => parser.push(encodeHeader(41, 1, 1), () => undefined)).toThrow(
      expect.objectContaining({ code: "frame_too_large" }),
    );
  });

  it("either yields bounded frames or throws its one error on garbage", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
        const parser = new FrameParser(1 << 16);
        try {
          for (const chunk of chunks) {
            parser.push(Buffer.from(chunk), (frame) => expect(frame.payload.length).toBeLessThan(1 << 16));
          }
        } catch (error) {
          expect(error).toBeInstanceOf(ChannelError);
        }
      }),
    );
  });
});

describe("connect", () => {
  it("pairs replies with requests, whatever their order", async () => {
    const { client } = pair(async (frame) => {
      await new Promise((resolve) => setTimeout(resolve, frame.payload[0]! % 7));
      return echo(frame);
    });
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, i) => client.request(i % 255, Buffer.from([i]))),
    );
    replies.forEach((reply, i) => expect([reply.kind, reply.payload[0]]).toEqual([i % 255, i]));
  });

  it("sends payload parts, large and small, as one payload over a real socket", async () => {
    const [near, far] = await socketPair();
    connect(far, { maxFrameBytes: 1 << 26, serve: echo });
    const client = connect(near, { maxFrameBytes: 1 << 26 });
    const parts = [Buffer.alloc(3, 1), Buffer.alloc(20_000_000, 2), Buffer.alloc(0), Buffer.alloc(5, 3)];
    const [large, small] = await Promise.all([client.request(7, parts), client.request(8, [])]);
    expect(large.payload.equals(Buffer.concat(parts))).toBe(true);
    expect(small).toEqual({ kind: 8, payload: Buffer.alloc(0) });
    client.close();
    await client.closed;
  });

  it("writes many small requests of one turn in one write", async () => {
    const { client, a } = pair();
    let writes = 0;
    const write = a.write.bind(a) as (chunk: unknown) => boolean;
    a.write = ((chunk: unknown) => (writes++, write(chunk))) as typeof a.write;
    await Promise.all(Array.from({ length: 500 }, () => client.request(1, Buffer.alloc(30))));
    expect(writes).toBe(1);
  });

  it("holds frames back while the stream is full", async () => {
    const written: Buffer[] = [];
    const release = new EventEmitter();
    const slow = new Duplex({
      highWaterMark: 10,
      read() {},
      write(chunk: Buffer, _encoding, done) {
        written.push(chunk);
        release.once("go", done);
      },
    });
    const client = connect(slow, limit);
    client.request(1, Buffer.alloc(100)).catch(() => undefined);
    await tick();
    client.request(2, Buffer.alloc(100)).catch(() => undefined);
    await tick();
    expect([written.length, slow.writableLength]).toEqual([1, 109]);
    release.emit("go");
    await tick();
    expect(written.length).toBe(2);
    client.close();
  });

  it("stops reading while too many requests are in work", async () => {
    const [a, b] = duplexPair();
    let inWork = 0;
    let most = 0;
    connect(b, {
      ...limit,
      maxServing: 4,
      serve: async (frame) => {
        most = Math.max(most, ++inWork);
        await new Promise((resolve) => setTimeout(resolve, 2));
        inWork--;
        return echo(frame);
      },
    });
    const client = connect(a, limit);
    const asked: Promise<Frame>[] = [];
    for (let i = 0; i < 40; i++) {
      asked.push(client.request(1, Buffer.from([i])));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const replies = await Promise.all(asked);
    expect(replies.map((reply) => reply.payload[0])).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(most).toBeLessThanOrEqual(5);
  });

  it("tells a failed handler from a closed channel", async () => {
    const [near, far] = await socketPair();
    const client = connect(near, limit);
    const serve: Serve = (frame) => {
      if (frame.kind === 1) throw new Error("secret");
      if (frame.kind === 2) return Promise.reject(new Error("secret"));
      if (frame.kind === 3) return { kind: 3, payload: Buffer.alloc(limit.maxFrameBytes + 1) };
      return frame.kind === 4 ? new Promise(() => undefined) : echo(frame);
    };
    const server = connect(far, { ...limit, serve });
    for (const kind of [1, 2, 3]) {
      await expect(client.request(kind, [])).rejects.toMatchObject({ code: "failed" });
    }
    const pending = client.request(4, []);
    await client.request(5, []);
    server.close();
    await expect(pending).rejects.toMatchObject({ code: "closed" });
    await expect(client.request(5, [])).rejects.toMatchObject({ code: "closed" });
    await client.closed;
  });

  it("aborts one request and drops its late reply", async () => {
    const { client } = pair(async (frame) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return echo(frame);
    });
    const controller = new AbortController();
    const aborted = client.request(1, [], { signal: controller.signal });
    const other = client.request(2, []);
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: "aborted" });
    expect((await other).kind).toBe(2);
    await expect(client.request(1, [], { signal: controller.signal })).rejects.toMatchObject({
      code: "aborted",
    });
    expect((await client.request(3, [])).kind).toBe(3);
  });

  it("bounds what waits and what is sent", async () => {
    const [a] = duplexPair();
    const client = connect(a, { ...limit, maxInFlight: 2 });
    const waiting = [client.request(1, []), client.request(1, [])];
    await expect(client.request(1, [])).rejects.toMatchObject({ code: "busy" });
    client.close();
    for (const request of waiting) await expect(request).rejects.toMatchObject({ code: "closed" });

    const other = pair();
    await expect(other.client.request(1, Buffer.alloc(limit.maxFrameBytes + 1))).rejects.toMatchObject({
      code: "frame_too_large",
    });
    await expect(other.client.request(255, [])).rejects.toMatchObject({ code: "protocol" });
    expect((await other.client.request(1, [])).kind).toBe(1);
  });

  it.each([
    ["an oversize header", encodeHeader(limit.maxFrameBytes + 1, 1, 1), "frame_too_large"],
    ["a reply to nothing", encodeHeader(0, 0x8000_0000 + 77, 1), "protocol"],
    ["a request to an end that serves none", encodeHeader(0, 1, 1), "protocol"],
  ])("closes on %s", async (_name, bytes, code) => {
    const [a, b] = duplexPair();
    const client = connect(a, limit);
    const pending = client.request(1, []);
    b.write(bytes);
    await expect(pending).rejects.toMatchObject({ code });
    await client.closed;
  });

  it("survives garbage from a live peer", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 })), async (chunks) => {
        const [a, b] = duplexPair();
        const channel = connect(a, { maxFrameBytes: 100, serve: echo });
        b.on("error", () => undefined);
        b.resume();
        for (const chunk of chunks) if (!b.destroyed) b.write(chunk);
        b.end();
        await channel.closed;
      }),
      { numRuns: 50 },
    );
  });
});
