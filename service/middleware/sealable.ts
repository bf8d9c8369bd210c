/**
 * Lets callers seal a route's body by EHBP. One line a route, after authentication:
 * `app.post(path, authenticator.requires("infer"), sealable(services), handler)`. What reads the body (`readBody`, `readJson`)
 * gets it unsealed, and the answer leaves sealed, errors too.
 */
import type { MiddlewareHandler } from "hono";
import { fromHex } from "../../codec/index.ts";
import { AES_256_GCM, ENCAPSULATED_KEY_BYTES, SEALED_SALT_BYTES } from "../../sealing/index.ts";
import { ServiceError } from "../problem.ts";
import { exporting } from "../sealed/key-unknown.ts";
import { SealedExchange } from "../sealed/exchange.ts";
import type { Services } from "../services.ts";
import type { AppContext, AppEnv } from "./env.ts";

const HEADER = "ehbp-encapsulated-key";

export interface SealableOptions {
  /** Refuses what came in the clear: for answers that hold a secret. */
  required?: boolean;
}

export function sealable(services: Services, { required = false }: SealableOptions = {}) {
  const middleware: MiddlewareHandler<AppEnv> = async (c, next) => {
    const encapsulated = c.req.header(HEADER);
    if (encapsulated === undefined) {
      if (required && !c.env?.viaOhttp) throw new ServiceError("sealing_required");
      return await next();
    }
    const sealed = await open(c, services, readHex(encapsulated, ENCAPSULATED_KEY_BYTES, HEADER));
    c.set("sealed", sealed);
    await next();
    // To a key that the service does not have it can seal nothing.
    if (c.var.problem === "sealed_key_unknown") return;
    const answer = c.res;
    // Hono would add the old answer's headers to the new one's.
    c.res = undefined;
    c.res = await sealed.seal(answer);
  };
  return middleware;
}

async function open(
  c: AppContext,
  { sealing, randomBytes }: Services,
  encapsulatedKey: Uint8Array,
): Promise<SealedExchange> {
  const salt = c.req.header("affidavit-salt");
  const sealedSalt = salt === undefined ? null : readHex(salt, SEALED_SALT_BYTES, "affidavit-salt");
  const head = { protocol: "ehbp", keyId: null, aeadId: AES_256_GCM, encapsulatedKey, sealedSalt } as const;
  const keys = await exporting("ehbp", () => sealing.exportKeys(head));
  return new SealedExchange({ keys, encapsulatedKey, randomBytes });
}

/** A plain salt beside a sealed body is one that its sender did not mean to show. @throws ServiceError `request_header_invalid` */
function readHex(text: string, byteLength: number, name: string): Uint8Array {
  if (text.length === 2 * byteLength && /^[0-9a-f]+$/i.test(text)) return fromHex(text, byteLength);
  throw new ServiceError(
    "request_header_invalid",
    `${name} of a sealed request is not ${byteLength} bytes of hex`,
  );
}
