/** The listener of RA-TLS: its certificate follows the keyset in use. */
import type { Logger } from "pino";
import { listen, type Listener, type ListenOptions } from "./listen.ts";
import type { TlsIdentity } from "./ra-tls.ts";
import type { Attestation } from "./services.ts";

export interface TlsListenerOptions extends ListenOptions {
  identity: TlsIdentity;
  attestation: Attestation;
  nowMs(): number;
  log: Logger;
}

export interface TlsListener extends Listener {
  /** Takes the keyset in use into the certificate. Where that fails, the old one stays, and callers refuse it once its keyset ends. */
  renew(): Promise<void>;
}

export async function listenTls(options: TlsListenerOptions): Promise<TlsListener> {
  const { identity, attestation, nowMs, log } = options;
  const certify = async () =>
    await identity.certify(JSON.stringify(await attestation.document(null)), nowMs());
  const listener = await listen({ ...options, tls: await certify() });
  return {
    ...listener,
    async renew() {
      try {
        listener.setCertificate(await certify());
      } catch (error) {
        log.error({ err: error }, "the TLS certificate was not renewed");
      }
    },
  };
}
