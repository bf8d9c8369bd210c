/** What a broker may answer that is not a key; a whole release is in test/sealed-models.test.ts. */
import { createServer, type Server } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { keyReleaser } from "./key-release.ts";
import { SessionHolder, type Session } from "./session.ts";

let server: Server | undefined;
afterEach(() => void server?.close());

const bytes32 = new Uint8Array(32);

async function askOf(status: number, body: string, sessions = holder()): Promise<unknown> {
  server = createServer((_, response) => response.writeHead(status, { location: "/elsewhere" }).end(body));
  await new Promise<void>((done) => server!.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  const releaseKey = keyReleaser({
    sessions,
    endorsements: async () => ({}),
    appender: { append: () => Promise.reject(new Error("nothing to append")) },
  });
  const wanted = { brokerUrl: `http://127.0.0.1:${port}/`, modelId: bytes32, head: bytes32 };
  return await releaseKey(wanted).catch(({ code, message }: { code: string; message: string }) => ({
    code,
    message,
  }));
}

/** The vault is not reached in these cases. */
function holder(): SessionHolder {
  const sessions = new SessionHolder();
  sessions.replace({ vault: {} } as Session);
  return sessions;
}

describe("a broker that gives no key", () => {
  it.each([
    [
      403,
      '{"code":"model_revoked","message":"secret words"}',
      "model_key_refused",
      /gives no key: model_revoked$/,
    ],
    [404, "<html>", "model_key_refused", /it says not why$/],
    [403, '{"code":"Not A Code"}', "model_key_refused", /it says not why$/],
    [429, '{"code":"challenge_limit"}', "model_key_unavailable", /challenge_limit$/],
    [500, "", "model_key_unavailable", /it says not why$/],
    [302, "", "model_key_unavailable", /does not answer$/],
    [200, "{}", "broker_message_malformed", /nonce/],
    [200, "x".repeat(5 * 1024 * 1024), "broker_message_malformed", /too long$/],
  ])("answers %i %.20s: %s", async (status, body, code, message) => {
    expect(await askOf(status, body)).toEqual({ code, message: expect.stringMatching(message) });
  });

  it("is not asked while nothing can be attested", async () => {
    expect(await askOf(200, "{}", new SessionHolder())).toEqual({
      code: "model_key_unavailable",
      message: expect.stringContaining("session_unavailable"),
    });
  });
});
