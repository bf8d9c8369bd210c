/**
 * The tamper matrix of a receipt, made from the field table and from the members of a real bundle: whatever has no row here
 * throws, so that no field and no member can be added without saying what happens when it is changed.
 */
import { fromBase64Url, toBase64Url } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import {
  serializeBundle,
  serializePrivatePart,
  STATEMENT_FIELDS,
  statementToJson,
} from "../receipts/index.ts";
import type { InferenceStatement } from "../receipts/index.ts";
import { NOW_MS, type Issuer, type Receipt } from "./receipt-fixture.ts";
import type { VerdictCase } from "./verdict.ts";

export const FIELDS = STATEMENT_FIELDS.InferenceStatement;
type FieldName = (typeof FIELDS)[number]["name"];

/** The code of each field: where it is changed, and where it is changed and signed again; null where nothing offline binds it. */
export const FIELD_CODES: Record<FieldName, { flipped: string; resigned: string | null }> = {
  requestId: { flipped: "request_id_mismatch", resigned: null },
  modelId: { flipped: "model_id_mismatch", resigned: "model_id_mismatch" },
  inputCommitment: { flipped: "input_commitment_mismatch", resigned: "input_commitment_mismatch" },
  outputDigest: { flipped: "output_digest_mismatch", resigned: "output_digest_mismatch" },
  requestDigest: { flipped: "request_digest_mismatch", resigned: "request_digest_mismatch" },
  responseDigest: { flipped: "response_digest_mismatch", resigned: "response_digest_mismatch" },
  circuitInput: { flipped: "circuit_input_mismatch", resigned: "circuit_input_mismatch" },
  executionDigest: { flipped: "execution_digest_mismatch", resigned: "execution_digest_mismatch" },
  keysetDigest: { flipped: "keyset_digest_mismatch", resigned: "keyset_digest_mismatch" },
  policyDigest: { flipped: "policy_digest_mismatch", resigned: "policy_digest_mismatch" },
  requester: { flipped: "requester_mismatch", resigned: "requester_mismatch" },
  audience: { flipped: "audience_mismatch", resigned: "audience_mismatch" },
  settlement: { flipped: "settlement_mismatch", resigned: null },
  promised: { flipped: "promised_mismatch", resigned: "promised_mismatch" },
  promiseDeadlineMs: { flipped: "promise_deadline_ms_mismatch", resigned: "promise_deadline_ms_mismatch" },
  // A millisecond more is as true as the host's clock; further away see TIMES.
  issuedAtMs: { flipped: "issued_at_ms_mismatch", resigned: null },
  sequence: { flipped: "sequence_mismatch", resigned: null },
};

/** What happens to a leaf of the bundle's JSON: another value of its form, a shorter one, another receipt's. */
interface Row {
  flip: string;
  cut: string;
  /** Left out where the same as `flip`. */
  swap?: string;
}

const INVALID = "bundle_invalid";
const always = (code: string): Row => ({ flip: code, cut: code });
const sized = (code: string): Row => ({ flip: code, cut: INVALID });

/** By path; a list's elements share `[]`, and a path ending in `*` stands for all below. */
const MEMBER_ROWS: Record<string, Row> = {
  formatVersion: always("format_version_unknown"),
  type: always(INVALID),
  signature: sized("signature_mismatch"),
  // The character that is changed lies in the second field.
  receipt: { flip: "model_id_mismatch", cut: INVALID },
  keyset: always("keyset_digest_mismatch"),
  "keysetStatement.statement.keysetDigest": sized("keyset_statement_mismatch"),
  "keysetStatement.statement.evidenceDigest": sized("keyset_statement_signature_invalid"),
  "keysetStatement.statement.endorsementsDigest": sized("keyset_statement_signature_invalid"),
  "keysetStatement.statement.notBeforeMs": always("keyset_statement_signature_invalid"),
  "keysetStatement.statement.notAfterMs": always("keyset_statement_signature_invalid"),
  "keysetStatement.signature": sized("keyset_statement_signature_invalid"),
  "evidence.type": always("evidence_type_unknown"),
  "evidence.quote": always("evidence_digest_mismatch"),
  "evidence.nonce": sized("attested_checkpoint_mismatch"),
  "evidence.gpu.type": always("evidence_digest_mismatch"),
  "evidence.gpu.quote": always("evidence_digest_mismatch"),
  "evidence.measuredModels.before": sized("evidence_digest_mismatch"),
  "evidence.measuredModels.modelIds[]": sized("evidence_digest_mismatch"),
  "evidence.measuredModels.register": always(INVALID),
  "endorsements.*": always("endorsements_digest_mismatch"),
  "keysetLog.origin": always("keyset_not_logged"),
  "keysetLog.leafIndex": sized("keyset_not_logged"),
  "keysetLog.proof[]": sized("keyset_not_logged"),
  "keysetLog.checkpoint": always("log_checkpoint_invalid"),
  "keysetLog.attestedCheckpoint": always("attested_checkpoint_invalid"),
  manifest: always("model_id_mismatch"),
  policy: always("policy_digest_mismatch"),
  execution: always("execution_digest_mismatch"),
  "inclusion.origin": always("inclusion_invalid"),
  "inclusion.leafIndex": sized("inclusion_invalid"),
  "inclusion.proof[]": sized("inclusion_invalid"),
  "inclusion.checkpoint": always("log_checkpoint_invalid"),
};

const PRIVATE_INVALID = "private_part_invalid";
/** Content types are what was sent beside the bytes: no digest covers them, and nothing is decided by them. */
const PRIVATE_ROWS: Record<string, Row> = {
  formatVersion: always("format_version_unknown"),
  salt: { flip: "requester_mismatch", cut: PRIVATE_INVALID },
  requester: always("requester_mismatch"),
  requestContentType: always("ok"),
  requestHeaderLength: always("request_invalid"),
  requestBody: always("request_digest_mismatch"),
  responseContentType: always("ok"),
  responseHeaderLength: always("response_invalid"),
  responseBody: always("response_digest_mismatch"),
};

type Path = (string | number)[];

function leaves(value: Json, path: Path = []): { path: Path; value: Json }[] {
  if (typeof value !== "object" || value === null) return [{ path, value }];
  const entries: [string | number, Json][] = Array.isArray(value)
    ? value.map((member, i) => [i, member])
    : Object.entries(value);
  return entries.flatMap(([name, member]) => leaves(member, [...path, name]));
}

function nameOf(path: Path): string {
  return path.map((part, i) => (typeof part === "number" ? "[]" : i === 0 ? part : `.${part}`)).join("");
}

function rowOf(rows: Record<string, Row>, path: Path): Row {
  const name = nameOf(path);
  const row = rows[name] ?? rows[`${path[0]}.*`];
  if (row === undefined) throw new Error(`no row says what happens when ${name} is changed`);
  return row;
}

function at(value: Json, path: Path): Json | undefined {
  return path.reduce<unknown>(
    (node, part) => (node as Record<string, unknown> | undefined)?.[part],
    value,
  ) as Json | undefined;
}

export function replaced(text: string, path: Path, value: Json): string {
  const document = JSON.parse(text) as Json;
  const parent = at(document, path.slice(0, -1)) as Record<string | number, Json>;
  parent[path.at(-1)!] = value;
  return JSON.stringify(document);
}

/** Another value of the same form: one character in the middle, or a number more. */
function flip(value: Json): Json {
  if (typeof value === "number") return value + 1;
  if (value === null) return 10;
  const text = String(value);
  const i = text.length > 80 ? 60 : Math.floor(text.length / 2);
  const other = text[i] === "1" ? "2" : "1";
  return text.slice(0, i) + other + text.slice(i + 1);
}

/** Four characters less keep base64 in form. */
function cut(value: Json): Json {
  if (typeof value === "number") return value - 1;
  if (value === null) return 1;
  const text = String(value);
  return text.slice(0, text.length > 8 ? text.length - 4 : text.length - 1);
}

/** Every leaf of the bundle's JSON but the statement's, changed in three ways. */
export function memberCases(receipt: Receipt, other: Receipt): VerdictCase[] {
  const text = serializeBundle(receipt.bundle);
  const privatePart = serializePrivatePart(receipt.privatePart);
  const otherText = JSON.parse(serializeBundle(other.bundle)) as Json;
  return leaves(JSON.parse(text) as Json)
    .filter(({ path }) => path[0] !== "statement")
    .flatMap(({ path, value }) => {
      const row = rowOf(MEMBER_ROWS, path);
      const name = path.join(".");
      const of = (how: string, changed: Json, code: string): VerdictCase[] =>
        changed === value
          ? []
          : [
              {
                name: `${name} ${how}`,
                bundle: replaced(text, path, changed),
                privatePart,
                nowMs: NOW_MS,
                code,
              },
            ];
      const swapped = at(otherText, path) ?? value;
      return [
        ...of("flipped", flip(value), row.flip),
        ...of("cut", cut(value), row.cut),
        ...of("of another receipt", swapped, path[0] === "receipt" ? "request_id_mismatch" : row.flip),
      ];
    });
}

/** Every leaf of the private part's JSON, changed in two ways. */
export function privateCases(receipt: Receipt): VerdictCase[] {
  const bundle = serializeBundle(receipt.bundle);
  const text = serializePrivatePart(receipt.privatePart);
  return leaves(JSON.parse(text) as Json).flatMap(({ path, value }) => {
    const row = rowOf(PRIVATE_ROWS, path);
    const of = (how: string, changed: Json, code: string): VerdictCase => ({
      name: `private ${path.join(".")} ${how}`,
      bundle,
      privatePart: replaced(text, path, changed),
      nowMs: NOW_MS,
      code,
    });
    return [of("flipped", flip(value), row.flip), of("cut", cut(value), row.cut)];
  });
}

function otherValue(statement: InferenceStatement, name: FieldName): Uint8Array | number | bigint {
  const value: Uint8Array | number | bigint = statement[name];
  if (typeof value === "bigint") return value ^ 1n;
  if (typeof value === "number") return value ^ 1;
  const changed = value.slice();
  changed[31]! ^= 1;
  return changed;
}

/** Every signed field changed in its readable form, in the header form, and in both with a new signature. */
export function fieldCases(issuer: Issuer, receipt: Receipt): VerdictCase[] {
  const text = serializeBundle(receipt.bundle);
  const privatePart = serializePrivatePart(receipt.privatePart);
  const audience = "00".repeat(32);
  return FIELDS.flatMap(({ name }, index) => {
    const { flipped, resigned } = FIELD_CODES[name];
    const changed = { ...receipt.bundle.statement, [name]: otherValue(receipt.bundle.statement, name) };
    const readable = statementToJson("InferenceStatement", changed)[name]!;
    const header = fromBase64Url(receipt.bundle.receipt);
    header[2 + 32 * index + 31]! ^= 1;
    const common = { privatePart, nowMs: NOW_MS, audience };
    return [
      {
        ...common,
        name: `${name} flipped`,
        bundle: replaced(text, ["statement", name], readable),
        code: flipped,
      },
      {
        ...common,
        name: `${name} flipped in the header form`,
        bundle: replaced(text, ["receipt"], toBase64Url(header)),
        code: flipped,
      },
      {
        ...common,
        name: `${name} signed anew`,
        bundle: serializeBundle(issuer.issue(changed).bundle),
        code: resigned ?? "ok",
      },
    ];
  });
}
