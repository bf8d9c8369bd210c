import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { connect } from "../ipc/index.ts";
import { seededRandom } from "../test/service-load.ts";
import { VaultClient } from "./client.ts";
import { drawRequest } from "./draw-request.test-support.ts";
import { clusterSecrets } from "./cluster-secrets.test-support.ts";
import { draw, inference, install, newKeyDirectory, spawnBare, start } from "./vault.test-support.ts";
import { MAX_FRAME_BYTES, OPERATIONS, REFUSED_KIND, type OperationName } from "./wire/operations.ts";
import { encode, type Shape } from "./wire/shape.ts";

function bare(keyDirectory?: string) {
  const { child, stream } = spawnBare(keyDirectory);
  const channel = connect(stream, { maxFrameBytes: MAX_FRAME_BYTES });
  return { child, stream, channel, client: new VaultClient(channel) };
}

describe("a live vault", () => {
  it("answers garbage in any operation with a refusal or a correct reply, and goes on", async () => {
    const { channel, client } = bare();
    await client.describe();
    await install(client);
    const kinds = fc.integer({ min: 0, max: 254 });
    const known = fc.constantFrom(...Object.values(OPERATIONS).map((operation) => operation.kind));
    await fc.assert(
      fc.asyncProperty(fc.oneof(known, kinds), fc.uint8Array({ maxLength: 400 }), async (kind, payload) => {
        const reply = await channel.request(kind, payload);
        expect([REFUSED_KIND, kind]).toContain(reply.kind);
        if (reply.kind === REFUSED_KIND) expect(reply.payload.length).toBe(1);
      }),
      { numRuns: 500 },
    );
    const [ticket] = await draw(client, 1);
    await install(client);
    await client.signInference(inference(ticket!));
  });

  it("refuses valid requests with a byte changed, cut or added, or carries them out", async () => {
    const { channel, client } = bare();
    await client.describe();
    await install(client);
    const hash = new Uint8Array(32);
    const hashes = { requestHash: hash, responseHash: hash, requestSalt: hash, responseSalt: hash };
    const texts = { modelName: "m", modelVersion: "1", endpoint: "/v2/models/m/infer" };
    const projection = { ...hashes, ...texts, challengeNonce: new Uint8Array(8), executionTimeMs: 1n };
    const requests: [OperationName, unknown][] = [
      ["drawTickets", { count: 3 }],
      ["quote", { nonce: new Uint8Array(32) }],
      ["sign", [{ type: 1, words: new Uint8Array(544), projection: null, allowance: hash }]],
      ["sign", [{ type: 1, words: new Uint8Array(544), projection, allowance: null }]],
      ["openProjections", { digest: new Uint8Array(32), sealed: new Uint8Array(100) }],
      ["quoteSigner", { ed25519: false, nonce: new Uint8Array(32) }],
      ["signCheckpoint", { size: 0n, root: new Uint8Array(32), previousSize: null, consistencyProof: [] }],
      [
        "exportRequestKeys",
        { protocol: "ehbp", keyId: null, aeadId: 2, encapsulatedKey: hash, sealedSalt: new Uint8Array(80) },
      ],
      ["idempotencyTag", { message: new Uint8Array(10) }],
      ["tendSealingKeys", { how: "look" }],
      ["changePolicy", { document: '{"formatVersion":1}' }],
    ];
    const valid = requests.map(([name, value]) => ({
      kind: OPERATIONS[name].kind,
      payload: encode(OPERATIONS[name].request as Shape<unknown>, value),
    }));
    const change = fc.record({
      request: fc.constantFrom(...valid),
      at: fc.nat(),
      byte: fc.integer({ min: 1, max: 255 }),
      how: fc.constantFrom("flip", "cut", "add"),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ request, at, byte, how }) => {
        const bytes = Buffer.from(request.payload);
        const index = at % bytes.length;
        if (how === "flip") bytes[index]! ^= byte;
        const payload = how === "cut" ? bytes.subarray(0, index) : bytes;
        const sent = how === "add" ? Buffer.concat([payload, Buffer.from([byte])]) : payload;
        const reply = await channel.request(request.kind, sent);
        if (how !== "flip") expect(reply.kind).toBe(REFUSED_KIND);
      }),
      { numRuns: 500 },
    );
    expect(await client.drawTickets(1)).toHaveLength(1);
  });

  it("refuses or carries out well-formed requests of every operation, and tells no key", async () => {
    const directory = newKeyDirectory();
    const { channel, client } = bare(directory);
    await client.describe();
    await install(client);
    const operation = fc.constantFrom(...Object.values(OPERATIONS));
    const secrets = clusterSecrets(directory);
    const carriedOut = new Set<number>();
    await fc.assert(
      fc.asyncProperty(operation, fc.noBias(fc.integer()), async ({ kind, request }, seed) => {
        const payload = drawRequest(request as Shape<unknown>, seededRandom(seed));
        const reply = await channel.request(kind, payload);
        expect([REFUSED_KIND, kind]).toContain(reply.kind);
        if (reply.kind === REFUSED_KIND) expect(reply.payload.length).toBe(1);
        else carriedOut.add(kind);
        for (const secret of Object.values(secrets))
          expect(reply.payload.includes(Buffer.from(secret))).toBe(false);
      }),
      { numRuns: 600 },
    );
    // Not all is refused: what takes any digest is carried out.
    for (const name of ["recordKey", "drawTickets", "measureModel"] as const) {
      expect(carriedOut).toContain(OPERATIONS[name].kind);
    }
    expect(await client.drawTickets(1)).toHaveLength(1);
  });

  it("dies of bytes that are no frames only by closing the channel", async () => {
    const streams = [
      Buffer.alloc(100, 0xff),
      Buffer.from("GET / HTTP/1.1\r\nHost: vault\r\n\r\n"),
      // A reply to a question that the vault did not ask.
      Buffer.from([0, 0, 0, 0, 1, 0, 0, 0x80, 1]),
      // A frame that never ends.
      Buffer.from([255, 255, 0, 0, 1, 0, 0, 0, 1, 2, 3]),
    ];
    for (const bytes of streams) {
      const { child, stream, client } = bare();
      await client.describe();
      const exit = once(child, "exit");
      stream.write(bytes);
      await Promise.race([exit, sleep(200)]);
      stream.destroy();
      expect(await exit).toEqual([0, null]);
    }
  });

  it("outlives calls with values of the wrong type", async () => {
    const vault = await start();
    const wrong: unknown[] = [null, undefined, "text", -1, 2n ** 70n, {}, new Uint8Array(31)];
    for (const value of wrong) {
      const calls = [
        () => vault.drawTickets(value as number),
        () => vault.defaultSalt(value as Uint8Array),
        () => vault.signInference(inference(value as Uint8Array)),
      ];
      for (const call of calls) await expect(call()).rejects.toThrow();
    }
    expect(await vault.drawTickets(1)).toHaveLength(1);
  });
});
