import { describe, expect, test } from "vitest";
import { createTestBench, KEY, OTHER_KEY } from "./testing/services.ts";

const withoutTrace = async (response: Response) => ({
  ...((await response.json()) as object),
  traceId: "",
});

const OWNED = ["/v1/aci/receipts/r1", "/v1/signature/r1", "/v1/receipts/r1?format=air"];

describe("forms with unsalted hashes", () => {
  test.each(OWNED)("%s is its owner's, and kept by nobody on the way", async (path) => {
    const response = await createTestBench().request(path, { key: KEY });
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("private, no-store");
  });

  test.each(OWNED)("%s of another tenant is as if it were not there", async (path) => {
    const bench = createTestBench();
    const theirs = await bench.request(path, { key: OTHER_KEY });
    expect(theirs.status).toBe(404);
    const none = await bench.request(path.replace("r1", "r2"), { key: OTHER_KEY });
    expect(await withoutTrace(theirs)).toEqual(await withoutTrace(none));
    expect((await bench.request(path)).status).toBe(401);
  });

  test("are not given for a link's token", async () => {
    const bench = createTestBench();
    const made = await bench.request("/v1/receipts/r1/link", { method: "POST", key: KEY });
    const { token } = (await made.json()) as { token: string };
    expect((await bench.request(`/v1/receipts/r1?token=${token}`)).status).toBe(200);
    expect((await bench.request(`/v1/receipts/r1?token=${token}&format=cose`)).status).toBe(200);
    expect((await bench.request(`/v1/receipts/r1?token=${token}&format=air`)).status).toBe(401);
  });

  test("have media types of their own", async () => {
    const bench = createTestBench();
    const typeOf = async (format: string) =>
      (await bench.request(`/v1/receipts/r1?format=${format}`, { key: KEY })).headers.get("content-type");
    expect(await typeOf("air")).toBe('application/eat+cwt; eat_profile="https://spec.cyntrisec.com/air/v1"');
    expect(await typeOf("cose")).toBe("application/scitt-receipt+cose");
    expect(await typeOf("scitt")).toBe("application/scitt-statement+cose");
    expect((await bench.request("/v1/receipts/r1?format=jwt", { key: KEY })).status).toBe(400);
  });
});

describe("refusals", () => {
  test.each([
    ["/v1/aci/receipts/r2", 404, "not_found", "receipt_not_found"],
    [`/v1/aci/attestation?nonce=${"AB".repeat(32)}`, 400, "invalid_request_error", "request_invalid"],
    ["/v1/aci/attestation?nonce=00", 400, "invalid_request_error", "request_invalid"],
    ["/v1/attestation/report?signing_algo=rsa", 400, "invalid_request_error", "request_invalid"],
    ["/v1/attestation/report?nonce=zz", 400, "invalid_request_error", "request_invalid"],
    ["/v1/attestation/report?model=none", 404, "not_found", "model_not_found"],
    [
      `/v1/attestation/report?signing_address=0x${"00".repeat(20)}`,
      404,
      "not_found",
      "receipt_form_unavailable",
    ],
    ["/v1/signature/r1?signing_algo=rsa", 400, "invalid_request_error", "request_invalid"],
  ])("%s says so in both forms", async (path, status, type, code) => {
    const response = await createTestBench().request(path, { key: KEY });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code, error: { type, code: null, param: null } });
  });
});

test("every answer names ACI's version and the keyset", async () => {
  const bench = createTestBench();
  for (const response of [
    await bench.request("/v1/models"),
    await bench.request("/none"),
    await bench.request("/v1/aci/attestation"),
  ]) {
    expect(response.headers.get("x-aci-version")).toBe("aci/1");
    expect(response.headers.get("x-aci-keyset-digest")).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(response.headers.get("access-control-expose-headers")).toContain("X-ACI-Keyset-Digest");
  }
});

test("a report names the signer asked for", async () => {
  const bench = createTestBench();
  const nonce = "12".repeat(32);
  const address = `0x${"AB".repeat(20)}`;
  const path = `/v1/attestation/report?model=double&nonce=0x${nonce}&signing_address=${address}`;
  const report = await (await bench.request(path)).json();
  const entry = {
    model_name: "double",
    signing_address: address.toLowerCase(),
    signing_algo: "ecdsa",
    request_nonce: nonce,
  };
  expect(report).toMatchObject({ ...entry, all_attestations: [entry], model_attestations: [entry] });
  const drawn = (await (await bench.request("/v1/attestation/report?signing_algo=ed25519")).json()) as Record<
    string,
    string
  >;
  expect(drawn["request_nonce"]).toMatch(/^[0-9a-f]{64}$/);
  expect(drawn["signing_algo"]).toBe("ed25519");
});

test("a challenge nonce is 8 to 64 bytes in hex", async () => {
  const bench = createTestBench();
  const body = JSON.stringify({ inputs: [{ name: "x", datatype: "FP32", shape: [1], data: [1] }] });
  const good = await bench.infer(body, { "affidavit-challenge-nonce": "AB".repeat(8) });
  expect(good.status).toBe(200);
  expect(bench.calls[0]?.challengeNonce).toEqual(new Uint8Array(8).fill(0xab));
  for (const bad of ["", "ab".repeat(7), "ab".repeat(65), "a".repeat(17), "xy".repeat(8)]) {
    expect((await bench.infer(body, { "affidavit-challenge-nonce": bad })).status).toBe(400);
  }
});
