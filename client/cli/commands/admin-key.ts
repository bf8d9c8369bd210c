/** `affidavit admin keygen` and `admin key create | list | revoke`: an administrator's own key, and the API keys of any tenant. */
import { ownerToText } from "../../../balances/client.ts";
import { Administrator, ADMINISTRATOR_HELP, administratorFlags } from "../administrator.ts";
import { malformedAnswer, textMember } from "../admin.ts";
import { apiKeyOf, listKeys, NEW_KEY_HELP, newKeyFlags, newKeyOf, showNewKey } from "../api-key-view.ts";
import { flags, onlyPositional, printJson, UsageError, type Command } from "../command.ts";
import { makeOwnerKey } from "../owner-key.ts";
import { paint, printable } from "../output.ts";

const KEYGEN_HELP = `
affidavit admin keygen FILE [flags]

Makes an administrator's key (mode 0600) and shows what AFFIDAVIT_ADMIN_KEYS of the service must name. A key file of
"ledger keygen" is of the same form.

  --scheme SCHEME      ed25519 (the default) or secp256k1 (an Ethereum address)
  --json               one line for machines
`;

const CREATE_HELP = `
affidavit admin key create TENANT --label LABEL [flags]

Makes an API key for a tenant and shows it: this once, since the service keeps its hash alone.

${NEW_KEY_HELP}
${ADMINISTRATOR_HELP}
`;

const LIST_HELP = `
affidavit admin key list TENANT [flags]

Shows a tenant's API keys.

${ADMINISTRATOR_HELP}
`;

const REVOKE_HELP = `
affidavit admin key revoke TENANT KEY-ID [flags]

Revokes a tenant's API key for good. It may work for a few seconds more.

${ADMINISTRATOR_HELP}
`;

export const adminKeygen: Command = {
  summary: "makes an administrator's key",
  help: KEYGEN_HELP,
  run: keygen,
};
export const adminKeyCreate: Command = {
  summary: "makes a tenant an API key",
  help: CREATE_HELP,
  run: create,
};
export const adminKeyList: Command = { summary: "lists a tenant's API keys", help: LIST_HELP, run: list };
export const adminKeyRevoke: Command = {
  summary: "revokes a tenant's API key",
  help: REVOKE_HELP,
  run: revoke,
};

async function keygen(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { scheme: { type: "string" }, json: { type: "boolean" } });
  const file = onlyPositional(positionals, "file");
  const { owner } = await makeOwnerKey(file, values.scheme ?? "ed25519");
  const key = ownerToText(owner);
  if (values.json) printJson({ ok: true, code: "ok", key, file });
  else process.stdout.write(`${paint("green", "✓ made")}  ${file}\nAFFIDAVIT_ADMIN_KEYS=${key}\n`);
  return 0;
}

async function create(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { ...newKeyFlags, ...administratorFlags });
  const tenant = onlyPositional(positionals, "tenant");
  const body = newKeyOf(values);
  const administrator = await Administrator.open(values);
  const path = `/v1/admin/tenants/${await administrator.tenantId(tenant)}/keys`;
  const made = await administrator.ask("POST", path, { body, expectedStatus: 201 });
  const view = apiKeyOf(made);
  const key = textMember(made, "key");
  if (values.json) printJson({ ok: true, code: "ok", ...view, key });
  else process.stdout.write(showNewKey(view, key));
  return 0;
}

async function list(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, administratorFlags);
  const tenant = onlyPositional(positionals, "tenant");
  const administrator = await Administrator.open(values);
  const path = `/v1/admin/tenants/${await administrator.tenantId(tenant)}/keys`;
  const { keys } = await administrator.ask("GET", path);
  if (!Array.isArray(keys)) throw malformedAnswer();
  const views = keys.map(apiKeyOf);
  if (values.json) printJson({ ok: true, code: "ok", keys: views });
  else process.stdout.write(listKeys(views) + "\n");
  return 0;
}

async function revoke(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, administratorFlags);
  const [tenant, id, ...more] = positionals;
  if (tenant === undefined || id === undefined || more.length > 0)
    throw new UsageError("give a tenant and the id of one of its keys");
  const administrator = await Administrator.open(values);
  const path = `/v1/admin/tenants/${await administrator.tenantId(tenant)}/keys/${encodeURIComponent(id)}`;
  await administrator.ask("DELETE", path, { expectedStatus: 204 });
  if (values.json) printJson({ ok: true, code: "ok", id });
  else process.stdout.write(`${paint("green", "✓ revoked")}  ${printable(id)}\n`);
  return 0;
}
