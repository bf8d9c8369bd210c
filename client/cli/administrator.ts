/** What the commands of an installation's administrators share: requests that their key signs. */
import { randomBytes } from "node:crypto";
import { homedir } from "node:os";
import { join } from "node:path";
import { signAdminRequest } from "../../administration/index.ts";
import type { OwnerSigner } from "../../balances/client.ts";
import { utf8 } from "../../codec/index.ts";
import { Transport } from "../transport.ts";
import { malformedAnswer, objectOf, readObject, textMember } from "./admin.ts";
import { UsageError } from "./command.ts";
import { DEFAULT_URL } from "./credentials.ts";
import { readOwnerKey } from "./owner-key.ts";

const DEFAULT_ORIGIN = "localhost/affidavit";
/** Less than what the service takes at most: its clock may be behind. */
const VALIDITY_MS = 60_000;

export const ADMINISTRATOR_HELP = `  --url URL            the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
  --admin-key FILE     the administrator's key, as "admin keygen" makes it (AFFIDAVIT_ADMIN_KEY_FILE, else the one that
                       npm start wrote)
  --origin ORIGIN      the origin of the service's log, for which requests are signed (AFFIDAVIT_LOG_ORIGIN, else
                       ${DEFAULT_ORIGIN})
  --json               one line for machines`;

export const administratorFlags = {
  url: { type: "string" },
  "admin-key": { type: "string" },
  origin: { type: "string" },
  json: { type: "boolean" },
} as const;

export interface AdministratorFlags {
  url?: string;
  "admin-key"?: string;
  origin?: string;
  json?: boolean;
}

export class Administrator {
  readonly #transport: Transport;
  readonly #signer: OwnerSigner;
  readonly #audience: string;

  private constructor(transport: Transport, signer: OwnerSigner, audience: string) {
    this.#transport = transport;
    this.#signer = signer;
    this.#audience = audience;
  }

  /** @throws UsageError */
  static async open(values: AdministratorFlags): Promise<Administrator> {
    const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
    if (!URL.canParse(url)) throw new UsageError("--url takes an address such as https://inference.example");
    const file = values["admin-key"] ?? process.env["AFFIDAVIT_ADMIN_KEY_FILE"] ?? keyFile(process.env);
    const audience = values.origin ?? process.env["AFFIDAVIT_LOG_ORIGIN"] ?? DEFAULT_ORIGIN;
    return new Administrator(new Transport({ url }), await readOwnerKey(file), audience);
  }

  /** The answer's JSON object; an empty one for 204. @throws AffidavitError */
  async ask(
    method: string,
    path: string,
    { body, expectedStatus = 200 }: { body?: object; expectedStatus?: number } = {},
  ): Promise<Record<string, unknown>> {
    const bytes = body === undefined ? new Uint8Array(0) : utf8(JSON.stringify(body));
    // A service behind a path of a proxy sees its own path, and so must the signature.
    const sent = { audience: this.#audience, method, path, body: bytes };
    const expiresAtMs = BigInt(Date.now() + VALIDITY_MS);
    const headers = await signAdminRequest(this.#signer, sent, { nonce: randomBytes(32), expiresAtMs });
    if (body !== undefined) headers["content-type"] = "application/json";
    const answer = await this.#transport.send(path, {
      method,
      headers,
      expectedStatus,
      ...(body !== undefined && { body: bytes as Uint8Array<ArrayBuffer> }),
    });
    return answer.body.length === 0 ? {} : readObject(answer);
  }

  /** A tenant by its id, or by its name where one alone has it. @throws UsageError, AffidavitError */
  async tenantId(given: string): Promise<string> {
    if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(given)) return given;
    const { tenants } = await this.ask("GET", "/v1/admin/tenants");
    if (!Array.isArray(tenants)) throw malformedAnswer();
    const found = tenants.map(objectOf).filter((row) => row["name"] === given);
    if (found.length !== 1)
      throw new UsageError(
        `${found.length === 0 ? "no tenant has" : "several tenants have"} the name ${JSON.stringify(given)}`,
      );
    return textMember(found[0]!, "tenantId");
  }

  /** A model by its id, or as NAME or NAME/VERSION of one that everybody sees. @throws UsageError, AffidavitError */
  async modelId(given: string): Promise<string> {
    const digits = given.replace(/^0x/, "");
    if (/^[0-9a-f]{64}$/.test(digits)) return digits;
    const { models } = readObject(await this.#transport.send("/v1/models", {}));
    if (!Array.isArray(models)) throw malformedAnswer();
    const found = models
      .map(objectOf)
      .find(({ name, version }) => given === name || given === `${String(name)}/${String(version)}`);
    if (!found) throw new UsageError(`no model of the service is called ${JSON.stringify(given)}`);
    return textMember(found, "modelId").replace(/^0x/, "");
  }
}

function keyFile(environment: NodeJS.ProcessEnv): string {
  return join(environment["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "affidavit", "admin.key");
}
