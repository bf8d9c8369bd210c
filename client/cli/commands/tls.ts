/** `affidavit tls HOST:PORT`: verifies the evidence in the certificate of a TLS listener. */
import { connect, type PeerCertificate } from "node:tls";
import { verifyTlsCertificate } from "../../ra-tls.ts";
import type { Verification } from "../../verification.ts";
import { flags, onlyPositional, printJson, UsageError, type Command } from "../command.ts";
import { parseNow } from "../now.ts";
import { paint } from "../output.ts";
import { policyFlags, POLICY_FLAGS_HELP, policyFrom } from "../policy-flags.ts";
import { claimLines, headline, simulatedWarning, stepLines } from "../show-verification.ts";

const TIMEOUT_MS = 10_000;
const HELP = `
affidavit tls HOST:PORT [flags]

Connects by TLS and verifies what the certificate carries: evidence for a keyset that is logged and that names the
certificate's key. No certificate authority is asked, and nothing is sent.

  --now TIME     verifies as of this time (ISO 8601) instead of the present
${POLICY_FLAGS_HELP}
  --json         one line for machines

Exits 0 where the peer is accepted, 1 where it is not or cannot be reached.
`;

export const tls: Command = {
  summary: "verifies the evidence in a TLS certificate (RA-TLS)",
  help: HELP,
  run,
};

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    now: { type: "string" },
    json: { type: "boolean" },
    ...policyFlags,
  });
  const peer = onlyPositional(positionals, "peer");
  const found = /^(\[[0-9a-fA-F:]+\]|[^:[\]\s]+):([0-9]{1,5})$/.exec(peer);
  if (!found || Number(found[2]) > 65_535) throw new UsageError("the peer is HOST:PORT");
  const policy = await policyFrom(values);
  const now = parseNow(values.now);
  const host = found[1]!.replace(/^\[|\]$/g, "");
  const certificate = await certificateOf(host, Number(found[2]));
  const verification =
    typeof certificate === "string"
      ? unreachable(certificate)
      : verifyTlsCertificate(certificate, { now, policy });
  const ok = verification.verdict === "accepted";
  if (values.json) printJson({ ok, ...verification });
  else process.stdout.write(asText(peer, verification));
  return ok ? 0 : 1;
}

/** @returns the peer's certificate, or why there is none */
function certificateOf(host: string, port: number): Promise<Uint8Array | string> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array | string>();
  // The evidence decides, no authority.
  const socket = connect({ host, port, servername: "", rejectUnauthorized: false, minVersion: "TLSv1.3" });
  socket.setTimeout(TIMEOUT_MS, () => resolve("no TLS handshake in time"));
  socket.once("secureConnect", () => {
    const { raw } = socket.getPeerCertificate() as Partial<PeerCertificate>;
    resolve(raw ? new Uint8Array(raw) : "the peer showed no certificate");
  });
  socket.once("error", (error) => resolve(error.message));
  return promise.finally(() => socket.destroy());
}

function unreachable(message: string): Verification {
  const steps = [{ step: "connect", status: "fail" as const, detail: message }];
  return { verdict: "rejected", code: "server_unreachable", message, simulated: false, steps, claims: [] };
}

function asText(peer: string, verification: Verification): string {
  const accepted = verification.verdict === "accepted";
  const head = accepted
    ? `${headline(verification, "accepted")}  ${peer}`
    : `${paint("red", "✗ rejected")}  ${peer}: ${verification.message} [${verification.code}]`;
  const lines = [head, "", ...stepLines(verification)];
  if (accepted) lines.push("", ...claimLines(verification), ...simulatedWarning(verification));
  return lines.join("\n") + "\n";
}
