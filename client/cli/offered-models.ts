/** The models that a service offers, by their manifests: its word for their ids is not taken. */
import { CodecError, fromUtf8 } from "../../codec/index.ts";
import { ModelError, parseCanonicalManifest, type Manifest } from "../../models/client.ts";
import { AffidavitError } from "../errors.ts";
import type { Transport } from "../transport.ts";

export interface OfferedModel {
  manifest: Manifest;
  /** Exact text, whose SHA-256 is the model's id. */
  text: string;
}

/** @throws AffidavitError `server_response_invalid`, and as the transport */
export async function offeredModels(transport: Transport): Promise<OfferedModel[]> {
  const { body } = await transport.send("/v1/models", {});
  try {
    const { models } = JSON.parse(fromUtf8(body)) as { models: { manifest: string }[] };
    return models.map(({ manifest: text }) => ({ manifest: parseCanonicalManifest(text), text }));
  } catch (cause) {
    const malformed = [SyntaxError, CodecError, TypeError, ModelError].some((kind) => cause instanceof kind);
    if (!malformed) throw cause;
    const message = "the server's answer is not what /v1/models answers";
    throw new AffidavitError("server_response_invalid", message, { cause });
  }
}
