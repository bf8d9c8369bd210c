/** Schemas and response descriptions that several endpoints share. */
import { z } from "@hono/zod-openapi";
import { PROBLEM_MEDIA_TYPE, PROBLEMS } from "../problem.ts";
import type { ProblemCode } from "../problem.ts";

const problemSchema = z
  .object({
    type: z.string().openapi({ example: "/problems/model_not_found" }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z
      .string()
      .openapi({ description: "Stable; GET /problems/{code} explains it", example: "model_not_found" }),
    charged: z.literal(false),
    traceId: z.string(),
    error: z.string().openapi({ description: "Same as detail, for Open Inference clients" }),
  })
  .openapi("Problem");

interface DocumentedResponse {
  description: string;
  content: Record<string, { schema: typeof problemSchema }>;
}

/** Responses that an endpoint documents for these codes, and for those that any endpoint may answer. */
export function problems(...codes: ProblemCode[]): Record<never, DocumentedResponse> {
  const byStatus = new Map<number, string[]>();
  for (const code of [...codes, "service_draining", "internal"] as ProblemCode[]) {
    const [status, title] = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), `\`${code}\`: ${title}`]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, lines]) => [
      status,
      { description: lines.join("; "), content: { [PROBLEM_MEDIA_TYPE]: { schema: problemSchema } } },
    ]),
  );
}

/** Either way to send an API key. */
export const KEY_SECURITY: Record<string, string[]>[] = [{ bearer: [] }, { apiKey: [] }];

export const hex32 = z.string().regex(/^(0x)?[0-9a-fA-F]{64}$/, "64 hex digits");

export const modelParams = z.object({ name: z.string().min(1).max(256) });
export const modelVersionParams = modelParams.extend({ version: z.string().min(1).max(64) });

export const receiptParams = z.object({
  id: z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, "letters, digits, - and _"),
});
