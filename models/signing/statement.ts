/**
 * What a signer says of a model: an in-toto statement (v1) with the predicate of OpenSSF Model Signing
 * (`https://model_signing/signature/v1.0`), serialization `files`: every file of a folder by its SHA-256.
 */
import { z } from "zod";
import { concat, fromHex, sha256, toHex } from "../../codec/index.ts";
import { ModelError } from "../errors.ts";

const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE = "https://model_signing/signature/v1.0";
const MAX_RESOURCES = 65_536;

/** A file of the model. */
export interface Resource {
  /** Relative to the model's folder, with forward slashes. */
  name: string;
  /** SHA-256, 64 lower-case hex digits. */
  digest: string;
}

/** What a model's folder may hold beside the model. */
export const IGNORED = [".git", ".gitattributes", ".github", ".gitignore"];

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const name = z.string().min(1).max(4096);
const statementSchema = z.object({
  _type: z.literal(STATEMENT_TYPE),
  subject: z.tuple([z.object({ name: z.string().max(4096), digest: z.object({ sha256: digest }) })]),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate: z.object({
    serialization: z.object({
      method: z.literal("files"),
      hash_type: z.literal("sha256"),
      allow_symlinks: z.literal(false),
      ignore_paths: z.array(name).max(1024).optional(),
    }),
    resources: z
      .array(z.object({ name, algorithm: z.literal("sha256"), digest }))
      .min(1)
      .max(MAX_RESOURCES),
  }),
});

/**
 * @param modelName of no weight for a verifier
 * @param signatureName the signature's own file name, which the statement leaves out
 */
export function buildStatement(
  modelName: string,
  resources: readonly Resource[],
  signatureName: string,
): string {
  const sorted = [...resources].sort((a, b) => comparePaths(a.name, b.name));
  return JSON.stringify({
    _type: STATEMENT_TYPE,
    subject: [{ name: modelName, digest: { sha256: rootDigest(sorted) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      serialization: {
        method: "files",
        hash_type: "sha256",
        allow_symlinks: false,
        ignore_paths: [...IGNORED, signatureName],
      },
      resources: sorted.map((resource) => ({ ...resource, algorithm: "sha256" })),
    },
  });
}

/**
 * The files that a statement names. What its `ignore_paths` says is the signer's wish and is not followed.
 * @throws ModelError `model_signature_malformed`
 */
export function parseStatement(text: string): Resource[] {
  const result = statementSchema.safeParse(parseJson(text));
  if (!result.success) throw malformed("the signed statement is not one of Model Signing 1.0 over files");
  const { subject, predicate } = result.data;
  const { resources } = predicate;
  if (new Set(resources.map((resource) => resource.name)).size !== resources.length)
    throw malformed("the signed statement names a file twice");
  if (rootDigest(resources) !== subject[0].digest.sha256)
    throw malformed("the signed statement's files do not hash to its subject");
  return resources.map((resource) => ({ name: resource.name, digest: resource.digest }));
}

/** SHA-256 over the raw digests in their order. */
function rootDigest(resources: readonly Resource[]): string {
  return toHex(sha256(concat(...resources.map((resource) => fromHex(resource.digest, 32)))));
}

/** Part by part, as the reference implementation sorts: `a/b` comes before `a-b`. */
function comparePaths(a: string, b: string): number {
  const left = a.split("/");
  const right = b.split("/");
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    if (left[i]! !== right[i]!) return left[i]! < right[i]! ? -1 : 1;
  }
  return left.length - right.length;
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed("not JSON", cause);
  }
}

export function malformed(message: string, cause?: unknown): ModelError {
  return new ModelError("model_signature_malformed", message, { cause });
}
