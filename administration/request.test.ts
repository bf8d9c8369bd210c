import { hashTypedData } from "viem";
import { describe, expect, it } from "vitest";
import { ownerSigner, type OwnerSigner } from "../balances/client.ts";
import { fromHex, sha256, toHex0x, utf8 } from "../codec/index.ts";
import {
  ADMIN_REQUEST,
  adminRequestDigest,
  AdminError,
  MAX_ADMIN_VALIDITY_MS,
  readAdminRequest,
  signAdminRequest,
  verifyAdminRequest,
  type SentRequest,
} from "./index.ts";

const NOW_MS = Date.UTC(2027, 0, 1);
const nonce = sha256(utf8("nonce"));
const signers = (["ed25519", "secp256k1"] as const).map((scheme) =>
  ownerSigner(scheme, sha256(utf8("admin"))),
);
const other = ownerSigner("ed25519", sha256(utf8("other")));
const sent: SentRequest = {
  audience: "inference.example/log",
  method: "POST",
  path: "/v1/admin/tenants?x=1",
  body: utf8('{"name":"acme"}'),
};

async function headersBy(signer: OwnerSigner, over: Partial<SentRequest> = {}, expiresInMs = 60_000) {
  const expiresAtMs = BigInt(NOW_MS + expiresInMs);
  return await signAdminRequest(signer, { ...sent, ...over }, { nonce, expiresAtMs });
}

function verdict(headers: Record<string, string>, received = sent, nowMs = NOW_MS): string {
  try {
    const read = readAdminRequest((name) => headers[name], received);
    verifyAdminRequest(read, { keys: signers.map(({ owner }) => owner), nowMs });
    return "ok";
  } catch (error) {
    if (error instanceof AdminError) return error.code;
    throw error;
  }
}

describe("a signed request", () => {
  it("has the digest that a wallet signs", () => {
    const request = {
      audience: sent.audience,
      method: sent.method,
      path: sent.path,
      bodyDigest: sha256(sent.body),
      nonce,
      expiresAtMs: BigInt(NOW_MS),
    };
    const digest = hashTypedData({
      domain: { name: "Affidavit", version: "1" },
      types: { AdminRequest: [...ADMIN_REQUEST] },
      primaryType: "AdminRequest",
      message: { ...request, bodyDigest: toHex0x(request.bodyDigest), nonce: toHex0x(nonce) },
    } as never);
    expect(adminRequestDigest(request)).toEqual(fromHex(digest));
  });

  it.each(signers.map((signer) => [signer.owner.scheme, signer] as const))(
    "of %s verifies",
    async (_, signer) => {
      const headers = await headersBy(signer);
      expect(verdict(headers)).toBe("ok");
      const changes: Partial<SentRequest>[] = [
        { audience: "inference.example/log2" },
        { method: "PUT" },
        { path: "/v1/admin/tenants" },
        { body: utf8('{"name":"acmf"}') },
        { body: new Uint8Array(0) },
      ];
      for (const change of changes)
        expect(verdict(headers, { ...sent, ...change }), JSON.stringify(change)).toBe(
          "admin_signature_invalid",
        );
    },
  );

  it("is refused with any header changed or gone", async () => {
    for (const signer of signers) {
      const headers = await headersBy(signer);
      for (const [name, value] of Object.entries(headers)) {
        const { [name]: _, ...without } = headers;
        expect(verdict(without), name).toBe("admin_request_malformed");
        expect(verdict({ ...headers, [name]: ` ${value}` }), name).toBe("admin_request_malformed");
        const last = value.at(-1) === "0" ? "1" : "0";
        expect(verdict({ ...headers, [name]: value.slice(0, -1) + last }), name).not.toBe("ok");
      }
      expect(verdict({ ...headers, "affidavit-admin-key": "ed25519:0x00" })).toBe("admin_request_malformed");
    }
  });

  it("is refused from a key that is no administrator's, and under another's name", async () => {
    expect(verdict(await headersBy(other))).toBe("admin_key_unknown");
    const [mine] = signers;
    const name = (await headersBy(mine!))["affidavit-admin-key"]!;
    expect(verdict({ ...(await headersBy(other)), "affidavit-admin-key": name })).toBe(
      "admin_signature_invalid",
    );
  });

  it("is good for a short time", async () => {
    const [signer] = signers;
    const headers = await headersBy(signer!);
    expect(verdict(headers, sent, NOW_MS + 59_999)).toBe("ok");
    expect(verdict(headers, sent, NOW_MS + 60_000)).toBe("admin_request_expired");
    expect(verdict(await headersBy(signer!, {}, MAX_ADMIN_VALIDITY_MS))).toBe("ok");
    expect(verdict(await headersBy(signer!, {}, MAX_ADMIN_VALIDITY_MS + 1))).toBe("admin_expiry_too_far");
  });
});
