/** What the start tells a person. */
import type { Component } from "./services.ts";

export function banner(facts: {
  url: string;
  /** Of the TLS listener, where there is one. */
  tlsUrl?: string | undefined;
  /** Verifier key of the log (C2SP signed-note), for monitors and log witnesses. */
  logKey: string;
  simulated: boolean;
  keyFile: string | undefined;
  components: Component[];
  models: number;
}): string {
  const { url, simulated, keyFile } = facts;
  const tls =
    facts.tlsUrl === undefined
      ? []
      : [`  TLS            ${facts.tlsUrl}, its certificate carries the evidence`];
  const lines = [
    "",
    `Listening on ${url}`,
    ...tls,
    `  API reference  ${url}/docs`,
    `  Evidence       ${url}/v1/attestation`,
    `  Health         ${url}/readyz`,
    `  Models         ${facts.models} at ${url}/v1/models`,
    `  Log            ${url}/log/checkpoint, key ${facts.logKey}`,
  ];
  if (keyFile) lines.push(`  API key        in ${keyFile}; the affidavit command reads it there`);
  if (simulated) {
    lines.push("", "  The TEE is SIMULATED: receipts are complete, and prove nothing about this machine.");
  }
  const off = facts.components.filter(({ status }) => status === "off");
  if (off.length > 0)
    lines.push("", "Off:", ...off.map(({ name, notes }) => `  ${name}: ${notes.join(" ")}`));
  return lines.join("\n") + "\n\n";
}
