/** The list of revocations that the SDK asks for itself, and what it refuses by it. */
import { beforeEach, describe, expect, it } from "vitest";
import { changed, createFixtureService, type FixtureService } from "../test/fixture-service.ts";
import { NOW, NOW_MS } from "../test/receipt-fixture.ts";
import { refusal } from "../test/refusal.ts";
import { floats } from "../test/tensors.ts";
import { createClient, type Client, type ClientOptions } from "./client.ts";

const INPUT = floats(
  "x",
  Array.from({ length: 30 }, (_, i) => i / 4),
);
let service: FixtureService;
let client: Client;

function clientOf(options: Partial<ClientOptions> = {}): Client {
  const { fetch } = service;
  return createClient({
    url: "http://fixture.test",
    policy: { allowSimulated: true },
    fetch,
    now: () => NOW,
    ...options,
  });
}

const infer = () => client.infer("fixture", [INPUT]);
const infers = () => service.heard.filter(({ path }) => path.endsWith("/infer")).length;

beforeEach(async () => {
  service = await createFixtureService();
  client = clientOf();
});

describe("what a service revoked", () => {
  it("is asked for with each attestation, and the answer's claims say what that is worth", async () => {
    const { verification } = await infer();
    const attested = await client.attestation();
    for (const { claims } of [verification, attested.verification]) {
      const source = "operator_asserted";
      const claim = (name: string, value: unknown) =>
        expect(claims).toContainEqual({ claim: name, value, status: "asserted", source });
      claim("not revoked", "by none of the 0 revocations at hand");
      claim("revocations current", `as listed when asked at ${NOW.toISOString()}`);
      claim("revocations complete", expect.any(String));
    }
    expect(service.heard.filter(({ path }) => path === "/v1/revocations")).toHaveLength(2);
  });

  it("is refused: a keyset before anything is sent, model and policy with the answer", async () => {
    const { receipt, receiptId } = await infer();
    const { keysetDigest, modelId: model, policyDigest } = receipt.statement;
    const { issuer } = service;
    for (const [kind, subject] of [
      ["model", model],
      ["policy", policyDigest],
    ] as const) {
      service.revocations = [
        issuer.revoke("model", new Uint8Array(32).fill(1)),
        issuer.revoke(kind, subject),
      ];
      client = clientOf();
      expect(await refusal(infer)).toBe("receipt_rejected revoked");
      expect(await refusal(() => client.receipt(receiptId))).toBe("receipt_rejected revoked");
      expect(await refusal(() => clientOf().receipt(receiptId))).toBe("receipt_rejected revoked");
      expect((await client.attestation()).verification.verdict).toBe("accepted");
    }
    service.revocations = [];
    client = clientOf();
    await infer();
    const sent = infers();
    service.revocations = [issuer.revoke("keyset", keysetDigest)];
    expect(await refusal(() => client.attestation())).toBe("attestation_rejected revoked");
    // Also where the keyset was believed until now.
    expect(await refusal(infer)).toBe("attestation_rejected revoked");
    expect(await refusal(() => client.receipt(receiptId))).toBe("receipt_rejected revoked");
    expect(infers()).toBe(sent);
  });

  it("is asked for again after ten minutes", async () => {
    let nowMs = NOW_MS;
    client = clientOf({ now: () => new Date(nowMs) });
    const { receipt, receiptId } = await infer();
    service.revocations = [service.issuer.revoke("model", receipt.statement.modelId)];
    await client.receipt(receiptId);
    nowMs += 10 * 60_000;
    expect(await refusal(() => client.receipt(receiptId))).toBe("receipt_rejected revoked");
  });

  it("is not believed where it is forged, and not done without", async () => {
    const { receipt, receiptId } = await infer();
    const sent = infers();
    const real = service.issuer.revoke("model", receipt.statement.modelId);
    service.revocations = [{ ...real, statement: { ...real.statement, fromIndex: 1000n } }];
    client = clientOf();
    expect(await refusal(infer)).toBe("receipt_rejected revocation_invalid");
    const cases: [Parameters<typeof changed>[1], string][] = [
      [{ status: 404, body: () => '{"code":"route_not_found"}' }, "revocations_unavailable route_not_found"],
      [{ status: 401, body: () => "" }, "revocations_unavailable unauthorized"],
      [{ status: 503, body: () => "" }, "revocations_unavailable server_error"],
      [{ body: () => "{}" }, "server_response_invalid revocation_invalid"],
      [{ body: () => '{"formatVersion":2}' }, "server_response_invalid format_version_unknown"],
      [{ body: () => "x".repeat(64 * 1024 * 1024 + 1) }, "server_response_invalid"],
    ];
    for (const [change, wanted] of cases) {
      service.tamper = (at, given) => (at === "/v1/revocations" ? changed(given, change) : given);
      client = clientOf();
      expect(await refusal(infer)).toBe(wanted);
      expect(await refusal(() => client.attestation())).toBe(wanted);
      expect(await refusal(() => client.receipt(receiptId))).toBe(wanted);
    }
    expect(infers()).toBe(sent + 1);
  });

  it("is not forgotten for an answer from before", async () => {
    const { receipt } = await infer();
    const late = Promise.withResolvers<void>();
    let first = true;
    service.tamper = async (path, given) => {
      if (path !== "/v1/revocations" || !first) return given;
      first = false;
      await late.promise;
      return given;
    };
    const overtaken = client.attestation();
    service.revocations = [service.issuer.revoke("model", receipt.statement.modelId)];
    await client.attestation();
    late.resolve();
    await overtaken;
    expect(await refusal(infer)).toBe("receipt_rejected revoked");
  });
});
