/** `affidavit admin model allow | deny | alias | deprecate`: who may use the installation's models, under which names, how long. */
import { Administrator, ADMINISTRATOR_HELP, administratorFlags } from "../administrator.ts";
import { parseTime } from "../api-key-view.ts";
import { flags, onlyPositional, printJson, UsageError, type Command } from "../command.ts";
import { paint, printable } from "../output.ts";

const MODEL =
  "MODEL is a model id, NAME (the highest version) or NAME/VERSION of a model of the models folders.";

const accessHelp = (verb: string, what: string) => `
affidavit admin model ${verb} TENANT (MODEL | --every) [flags]

${what}
${MODEL}

  --every              every model of the models folders, also those that come
${ADMINISTRATOR_HELP}
`;

const ALIAS_HELP = `
affidavit admin model alias NAME (MODEL | --remove) [flags]

Points a name at a model, or moves it. Receipts name the model, never the alias.
${MODEL}

  --remove             takes the name away
${ADMINISTRATOR_HELP}
`;

const DEPRECATE_HELP = `
affidavit admin model deprecate MODEL [flags]

Lets a model's answers say that it is deprecated, and from when it is refused.
${MODEL}

  --since TIME         since when, as ISO 8601; now where left out
  --sunset TIME        from when it is refused; never where left out
  --undo               takes the deprecation back
${ADMINISTRATOR_HELP}
`;

export const adminModelAllow: Command = {
  summary: "lets a tenant use a model",
  help: accessHelp("allow", "Lets a tenant use a model, within a second on every replica."),
  run: (words) => access(words, true),
};
export const adminModelDeny: Command = {
  summary: "lets a tenant use a model no longer",
  help: accessHelp("deny", "Lets a tenant use a model no longer, within a second on every replica."),
  run: (words) => access(words, false),
};
export const adminModelAlias: Command = {
  summary: "gives a model another name",
  help: ALIAS_HELP,
  run: alias,
};
export const adminModelDeprecate: Command = {
  summary: "deprecates a model",
  help: DEPRECATE_HELP,
  run: deprecate,
};

async function access(words: string[], allowed: boolean): Promise<number> {
  const { values, positionals } = flags(words, { every: { type: "boolean" }, ...administratorFlags });
  const [tenant, model, ...more] = positionals;
  if (tenant === undefined || more.length > 0 || (model === undefined) !== (values.every ?? false))
    throw new UsageError("give a tenant, and a model or --every");
  const administrator = await Administrator.open(values);
  const tenantId = await administrator.tenantId(tenant);
  const modelId = model === undefined ? null : await administrator.modelId(model);
  if (modelId === null) {
    const body = { everyModel: allowed };
    await administrator.ask("PATCH", `/v1/admin/tenants/${tenantId}`, { body });
  } else {
    const path = `/v1/admin/models/${modelId}/access/${tenantId}`;
    await administrator.ask(allowed ? "PUT" : "DELETE", path, { expectedStatus: 204 });
  }
  if (values.json) printJson({ ok: true, code: "ok", tenantId, modelId, allowed });
  else
    process.stdout.write(
      `${paint("green", allowed ? "✓ let in" : "✓ let out")}  ${tenantId}  ${modelId ?? "every model"}\n`,
    );
  return 0;
}

async function alias(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { remove: { type: "boolean" }, ...administratorFlags });
  const [name, model, ...more] = positionals;
  if (name === undefined || more.length > 0 || (model === undefined) !== (values.remove ?? false))
    throw new UsageError("give a name, and a model or --remove");
  const administrator = await Administrator.open(values);
  const path = `/v1/admin/aliases/${encodeURIComponent(name)}`;
  const modelId = model === undefined ? null : await administrator.modelId(model);
  const change = modelId === null ? {} : { body: { modelId } };
  await administrator.ask(modelId === null ? "DELETE" : "PUT", path, { ...change, expectedStatus: 204 });
  if (values.json) printJson({ ok: true, code: "ok", name, modelId });
  else process.stdout.write(`${paint("green", "✓")}  ${printable(name)} → ${modelId ?? "nothing"}\n`);
  return 0;
}

async function deprecate(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    since: { type: "string" },
    sunset: { type: "string" },
    undo: { type: "boolean" },
    ...administratorFlags,
  });
  const model = onlyPositional(positionals, "model");
  if (values.undo && (values.since ?? values.sunset) !== undefined)
    throw new UsageError("--undo takes no times");
  const body = {
    deprecatedAt: values.since === undefined ? undefined : parseTime(values.since, "--since"),
    sunsetAt: values.sunset === undefined ? null : parseTime(values.sunset, "--sunset"),
  };
  const administrator = await Administrator.open(values);
  const modelId = await administrator.modelId(model);
  const path = `/v1/admin/models/${modelId}/deprecation`;
  if (values.undo) await administrator.ask("DELETE", path, { expectedStatus: 204 });
  else await administrator.ask("PUT", path, { body, expectedStatus: 204 });
  if (values.json) printJson({ ok: true, code: "ok", modelId, ...(values.undo ? {} : body) });
  else
    process.stdout.write(`${paint("green", values.undo ? "✓ offered again" : "✓ deprecated")}  ${modelId}\n`);
  return 0;
}
