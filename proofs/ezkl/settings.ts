/** The part of EZKL's settings file that we read. It comes from our own worker, and is checked all the same. */
import { z } from "zod";
import { ProofError } from "../error.ts";

const schema = z.object({
  run_args: z.object({ logrows: z.int().min(1).max(28) }),
  num_rows: z.int().min(0),
  model_input_scales: z.array(z.int().min(0).max(30)),
  model_output_scales: z.array(z.int().min(0).max(30)).min(1),
  module_sizes: z.object({ poseidon: z.tuple([z.int().min(0), z.unknown()]) }),
  required_range_checks: z.array(z.tuple([z.int(), z.int()])),
});

export interface SettingsSummary {
  inputScale: number;
  outputScale: number;
  rows: number;
  logrows: number;
}

/** @throws ProofError `circuit_unsupported` where outputs have different scales */
export function readSettings(value: unknown): SettingsSummary {
  const result = schema.safeParse(value);
  if (!result.success) throw new ProofError("circuit_unsupported", "EZKL's settings are of another form");
  const { run_args, num_rows, model_input_scales, model_output_scales, module_sizes, required_range_checks } =
    result.data;
  const [inputScale] = model_input_scales;
  const [outputScale] = model_output_scales;
  if (inputScale === undefined || model_output_scales.some((scale) => scale !== outputScale))
    throw new ProofError("circuit_unsupported", "the circuit's outputs have different scales");
  const tables = required_range_checks.map(([low, high]) => high - low + 1);
  const rows = Math.max(num_rows, module_sizes.poseidon[0], ...tables);
  return { inputScale, outputScale: outputScale!, rows, logrows: run_args.logrows };
}
