/**
 * Writes what programs need of the contracts: `node contracts/export.ts`, after a build. An ABI as a typed constant, the code
 * that deploys it, and the compiler's version. A test compares the files with a fresh build.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const OUT = fileURLToPath(new URL("out/", import.meta.url));
const TARGET = fileURLToPath(new URL("../client/chain/contracts/", import.meta.url));

/** Contracts that are deployed or called by programs. */
const EXPORTED = [
  "ReceiptVerifier",
  "CheckpointAnchor",
  "InferenceCoordinator",
  "ZkInferenceVerifier",
  "TdxQuoteVerifier",
  "DcapCollateral",
  "DevelopmentQuoteVerifier",
  "AutomataQuoteVerifier",
  "ZkmlRegistry",
  "ZkmlVerifier",
  "ReceiptProofVerifier",
  "ZkProofVerifier",
  "AgentVerifier",
  "ValidationRegistry",
  "InferenceValidator",
];
/** Contracts that others deploy and call: programs only meet their errors. */
const INNER = ["IntelDocuments"];

interface Artifact {
  abi: { type: string; name?: string; inputs?: unknown[] }[];
  bytecode: { object: string };
}

/** A constructor's and a function's `internalType` says nothing to a caller. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== "internalType")
      .map(([name, member]) => [name, plain(member)]),
  );
}

function fileName(contract: string): string {
  return `${contract.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase()}.ts`;
}

function codeLines(name: string, code: string): string[] {
  return [
    "/** Creation code, without the constructor's arguments. */",
    `export const ${name}Code = "${code}";`,
    "",
  ];
}

function moduleText(contract: string): string {
  const path = join(OUT, `${contract}.sol`, `${contract}.json`);
  const { abi, bytecode } = JSON.parse(readFileSync(path, "utf8")) as Artifact;
  const name = contract[0]!.toLowerCase() + contract.slice(1);
  return [
    `/** ${contract}: made by contracts/export.ts from the compiler's output. */`,
    `export const ${name}Abi = ${JSON.stringify(plain(abi))} as const;`,
    "",
    ...(INNER.includes(contract) ? [] : codeLines(name, bytecode.object)),
  ].join("\n");
}

/** Path to text of every file that the export makes. */
export function exportedFiles(): Map<string, string> {
  return new Map(
    [...EXPORTED, ...INNER].map((contract) => [join(TARGET, fileName(contract)), moduleText(contract)]),
  );
}

if (import.meta.main) {
  for (const [path, text] of exportedFiles()) writeFileSync(path, text);
}
