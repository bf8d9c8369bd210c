import { hashTypedData } from "viem";
import { describe, expect, it } from "vitest";
import { fromHex, sha256, utf8 } from "../codec/index.ts";
import type { BalanceErrorCode } from "./error.ts";
import { OPERATIONS } from "./operation.ts";
import {
  LEDGER_ORDER,
  LEDGER_REQUEST,
  MAX_VALIDITY_MS,
  orderDigest,
  proofMetadata,
  requestDigest,
  verifyOrder,
  verifyRequest,
  type LedgerRequest,
} from "./request.ts";
import { ownerSigner, signOrder as orderWith, signRequest as signWith } from "./sign.ts";
import {
  ed25519Owner,
  nextReference,
  NOW_MS,
  secp256k1Owner,
  signOrder,
  signRequest,
  ZERO,
} from "./testing/owners.ts";
import { structFromJson, structToJson } from "./typed-data.ts";

const serverKeyDigest = sha256(utf8("key"));
const operand = sha256(utf8("operand"));
const other = sha256(utf8("other"));
const owners = [secp256k1Owner("alice"), ed25519Owner("alice")];
const alice = owners[0]!;

function context(by = alice) {
  return { account: by.account, owner: by.owner, serverKeyDigest, nowMs: NOW_MS };
}

function refusal(work: () => unknown): BalanceErrorCode | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as { code: BalanceErrorCode }).code;
  }
}

/** One request of each operation, as it should look. */
const SHAPES: [keyof typeof OPERATIONS, Partial<LedgerRequest>][] = [
  ["deposit", { operandDigest: operand, subject: other }],
  ["debit", { amountAtomic: 5n }],
  ["privateDebit", { operandDigest: operand }],
  ["transferOut", { operandDigest: operand, subject: other }],
  ["allowance", { operandDigest: operand }],
  ["reading", { operandDigest: operand }],
  ["close", { subject: other }],
];

describe("requests", () => {
  it("have the digest that a wallet signs", () => {
    const { request } = signRequest(alice, {
      operation: OPERATIONS.debit,
      amountAtomic: 7n,
      serverKeyDigest,
    });
    const message = structToJson(LEDGER_REQUEST, request);
    const types = { LedgerRequest: [...LEDGER_REQUEST] };
    const domain = { name: "Affidavit", version: "1" };
    const digest = hashTypedData({ domain, types, primaryType: "LedgerRequest", message } as never);
    expect(fromHex(digest)).toEqual(requestDigest(request));
    const { order } = signOrder(alice, { account: other, operation: OPERATIONS.freeze, serverKeyDigest });
    const orderTypes = { LedgerOrder: [...LEDGER_ORDER] };
    const orderMessage = structToJson(LEDGER_ORDER, order);
    const signed = { domain, types: orderTypes, primaryType: "LedgerOrder", message: orderMessage } as never;
    expect(fromHex(hashTypedData(signed))).toEqual(orderDigest(order));
  });

  it.each(owners.map((by) => [by.owner.scheme, by] as const))("of %s owners verify", (_, by) => {
    for (const [name, members] of SHAPES) {
      const signed = signRequest(by, { operation: OPERATIONS[name], serverKeyDigest, ...members });
      expect(verifyRequest(signed.request, signed.signature, context(by))).toBe(name);
    }
  });

  it("are refused with any field changed after the signature", () => {
    for (const [name, members] of SHAPES) {
      const signed = signRequest(alice, { operation: OPERATIONS[name], serverKeyDigest, ...members });
      for (const field of LEDGER_REQUEST) {
        const value = signed.request[field.name];
        const changed =
          value instanceof Uint8Array
            ? value.map((byte, i) => (i === 31 ? byte ^ 1 : byte))
            : typeof value === "bigint"
              ? value + 1n
              : value + 1;
        const request = { ...signed.request, [field.name]: changed };
        const code = refusal(() => verifyRequest(request, signed.signature, context()));
        expect(code, `${name}.${field.name}`).toBeDefined();
      }
    }
  });

  it.each([
    ["operand_where_none", { amountAtomic: 5n, operandDigest: operand }, "request_invalid"],
    ["no_amount", {}, "request_invalid"],
    ["subject_where_none", { amountAtomic: 5n, subject: other }, "request_invalid"],
    ["an_entry_that_no_owner_makes", { amountAtomic: 5n, operation: OPERATIONS.credit }, "request_invalid"],
    ["unknown_operation", { amountAtomic: 5n, operation: 99 }, "request_invalid"],
    ["other_account", { amountAtomic: 5n, account: other }, "account_mismatch"],
    ["other_server_key", { amountAtomic: 5n, serverKeyDigest: other }, "server_key_mismatch"],
    ["expired", { amountAtomic: 5n, expiresAtMs: NOW_MS }, "request_expired"],
    [
      "too_far",
      { amountAtomic: 5n, expiresAtMs: NOW_MS + BigInt(MAX_VALIDITY_MS) + 1n },
      "request_expiry_too_far",
    ],
  ] as const)("are refused: %s", (_, members, code) => {
    const signed = signRequest(alice, { operation: OPERATIONS.debit, serverKeyDigest, ...members });
    expect(refusal(() => verifyRequest(signed.request, signed.signature, context()))).toBe(code);
  });

  it("are refused to oneself, by another key, and with a cut signature", () => {
    const members = { operation: OPERATIONS.transferOut, serverKeyDigest, operandDigest: operand };
    const toSelf = signRequest(alice, { ...members, subject: alice.account });
    expect(refusal(() => verifyRequest(toSelf.request, toSelf.signature, context()))).toBe("request_invalid");
    for (const by of owners) {
      const { request, signature } = signRequest(by, { ...members, subject: other });
      const forged = secp256k1Owner("mallory").sign(requestDigest(request));
      expect(refusal(() => verifyRequest(request, forged, context(by)))).toBe("signature_invalid");
      expect(refusal(() => verifyRequest(request, signature.subarray(1), context(by)))).toBe(
        "signature_invalid",
      );
    }
  });

  it("read their own JSON and no other", () => {
    const { request } = signRequest(alice, {
      operation: OPERATIONS.debit,
      amountAtomic: 7n,
      serverKeyDigest,
    });
    const json = structToJson(LEDGER_REQUEST, request);
    expect(structFromJson(LEDGER_REQUEST, json, "request_invalid")).toEqual(request);
    const wrong: unknown[] = [
      null,
      [],
      {},
      { ...json, more: 1 },
      { ...json, amountAtomic: "07" },
      { ...json, amountAtomic: 7 },
      { ...json, amountAtomic: "18446744073709551616" },
      { ...json, operation: 256 },
      { ...json, operation: -1 },
      { ...json, operation: 1.5 },
      { ...json, account: String(json.account).toUpperCase() },
      { ...json, account: String(json.account).slice(0, -2) },
    ];
    for (const value of wrong)
      expect(refusal(() => structFromJson(LEDGER_REQUEST, value, "request_invalid"))).toBe("request_invalid");
  });

  it("give each account, sequence and operation its own proof metadata", () => {
    const { request } = signRequest(alice, { operation: OPERATIONS.privateDebit, serverKeyDigest });
    const all = [
      request,
      { ...request, account: other },
      { ...request, requestSequence: 2n },
      { ...request, operation: OPERATIONS.transferOut },
      { ...request, serverKeyDigest: other },
    ].map((value) => proofMetadata(value));
    expect(new Set(all.map(String)).size).toBe(all.length);
    expect(all[0]!.length).toBe(19 + 32 + 8 + 1 + 32);
  });
});

describe("signers", () => {
  it.each(["secp256k1", "ed25519"] as const)("of %s sign what verifies", async (scheme) => {
    const signer = ownerSigner(scheme, sha256(utf8(scheme)));
    const members = { serverKeyDigest, expiresAtMs: NOW_MS + 1n, requestSequence: 1n, amountAtomic: 3n };
    const { request, signature } = await signWith(signer, "debit", members);
    const { account, owner } = signer;
    expect(verifyRequest(request, signature, { account, owner, serverKeyDigest, nowMs: NOW_MS })).toBe(
      "debit",
    );
    const freeze = { account, amountAtomic: 0n, reference: other, serverKeyDigest, expiresAtMs: NOW_MS + 1n };
    const signed = await orderWith(signer, "freeze", freeze);
    const by = { operator: owner, serverKeyDigest, nowMs: NOW_MS };
    expect(verifyOrder(signed.order, signed.signature, by)).toBe("freeze");
  });

  it("refuse secret keys that are none", () => {
    expect(refusal(() => ownerSigner("secp256k1", new Uint8Array(32)))).toBe("owner_invalid");
    expect(refusal(() => ownerSigner("ed25519", new Uint8Array(31)))).toBe("owner_invalid");
  });
});

describe("orders", () => {
  const operator = ed25519Owner("operator");
  const order = { account: alice.account, serverKeyDigest };
  const check = (members: object, by = operator) => {
    const signed = signOrder(by, { ...order, operation: OPERATIONS.credit, amountAtomic: 5n, ...members });
    return () =>
      verifyOrder(signed.order, signed.signature, {
        operator: operator.owner,
        serverKeyDigest,
        nowMs: NOW_MS,
      });
  };

  it("verify", () => {
    expect(check({})()).toBe("credit");
    expect(check({ operation: OPERATIONS.freeze, amountAtomic: 0n, reference: nextReference() })()).toBe(
      "freeze",
    );
  });

  it.each([
    ["nothing", { amountAtomic: 0n }, "order_invalid"],
    ["freeze_with_amount", { operation: OPERATIONS.freeze }, "order_invalid"],
    ["no_reference", { reference: ZERO }, "order_invalid"],
    ["an_owners_operation", { operation: OPERATIONS.debit }, "order_invalid"],
    ["other_key", { serverKeyDigest: other }, "server_key_mismatch"],
    ["expired", { expiresAtMs: NOW_MS }, "order_expired"],
  ] as const)("are refused: %s", (_, members, code) => {
    expect(refusal(check(members))).toBe(code);
  });

  it("are refused from anybody else", () => {
    expect(refusal(check({}, alice))).toBe("signature_invalid");
  });
});
