/** Small JSON bodies. */
import type { z } from "@hono/zod-openapi";
import { CodecError, fromUtf8 } from "../../codec/index.ts";
import { ServiceError } from "../problem.ts";
import { readBody } from "./body.ts";
import type { AppContext } from "./env.ts";
import { refuseInvalid } from "./failure.ts";
import { Budget } from "./lifecycle.ts";

const MAX_BYTES = 16 * 1024;
const budget = new Budget(16 * 1024 * 1024, "bytes of request bodies");

/**
 * A body of at most 16 KiB where nothing else is said; an empty one reads as `{}`.
 * @throws ServiceError `request_invalid`, and what `readBody` throws
 */
export async function readJson<Schema extends z.ZodType>(
  c: AppContext,
  schema: Schema,
  maxBytes = MAX_BYTES,
): Promise<z.infer<Schema>> {
  const { bytes, release } = await readBody(c, { maxBytes, maxInflateRatio: 100, budget });
  release();
  return parseBody(bytes, schema);
}

/** A body that was read before; an empty one reads as `{}`. @throws ServiceError `request_invalid` */
export function parseBody<Schema extends z.ZodType>(bytes: Uint8Array, schema: Schema): z.infer<Schema> {
  const result = schema.safeParse(bytes.length === 0 ? {} : parseJson(bytes));
  refuseInvalid({ ...result, target: "body" });
  return result.data as z.infer<Schema>;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof CodecError) {
      throw new ServiceError("request_invalid", "the body is not JSON in UTF-8");
    }
    throw error;
  }
}
