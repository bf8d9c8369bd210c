/** A host's answer to a load, checked as anything else that a host says. Not loaded by the host itself. */
import { z } from "zod";
import type { Datatype } from "../../receipts/index.ts";
import { adapterSchema, operationsSchema, PRECISIONS } from "../execution.ts";
import { EXECUTION_PROVIDERS } from "../manifest.ts";
import { WIRE_DATATYPES } from "./datatypes.ts";
import type { LoadReply } from "./wire.ts";

const graphTensorSchema = z.strictObject({
  name: z.string().max(1024),
  datatype: z.enum(Object.keys(WIRE_DATATYPES) as [Datatype, ...Datatype[]]).nullable(),
  shape: z.array(z.int().min(0).nullable()).max(64),
});

const loadReplySchema: z.ZodType<LoadReply> = z.strictObject({
  provider: z.enum(EXECUTION_PROVIDERS),
  cpuOperations: z.boolean(),
  operations: operationsSchema.nullable(),
  adapter: adapterSchema.nullable(),
  precision: z.enum(PRECISIONS),
  skipped: z.array(z.string().max(1024)).max(EXECUTION_PROVIDERS.length),
  inputs: z.array(graphTensorSchema).max(4096),
  outputs: z.array(graphTensorSchema).max(4096),
});

/** @throws SyntaxError or ZodError where a host would not write this */
export function parseLoadReply(payload: Uint8Array): LoadReply {
  return loadReplySchema.parse(JSON.parse(Buffer.from(payload).toString()));
}
