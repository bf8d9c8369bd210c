/**
 * The contract that verifies a circuit's proofs on chain, as code: its source comes from the proof system, and npm's `solc` compiles
 * it, always by the same settings, so that whoever generates it again from the verifying key gets the same code.
 */
import { createRequire } from "node:module";
import { fromHex } from "../codec/index.ts";
import { ProofError } from "./error.ts";
import type { StoredCircuit } from "./store.ts";
import type { OperationOptions, ProofSystem, VerifierForm, VerifierSource } from "./system.ts";

/** EIP-170. */
const MAX_CODE_BYTES = 24_576;
const MISSING =
  "verifiers are compiled by solc, which is not installed: npm install --no-save solc@0.8.37 (from the npm registry)";
/** What a key's constructor returns, which is the whole of its code. */
const KEY_LENGTH = /return\(0, 0x([0-9a-f]{1,8})\)/;
const KEY_START = /mstore\(0x0000, 0x([0-9a-f]{64})\)/;

export interface VerifierCode {
  form: VerifierForm;
  /** Creation code, with no arguments. */
  verifier: Uint8Array;
  /** Null where the verifier has its own. */
  key: Uint8Array | null;
  /** What is on the chain where the verifier is. */
  runtime: Uint8Array;
}

interface Compiled {
  evm: { bytecode: { object: string }; deployedBytecode: { object: string } };
}

interface Compiler {
  compile(input: string): string;
}

/**
 * @param form undefined: `whole` where it is small enough for a chain, else `reusable`
 * @throws ProofError `verifier_too_large` where a contract is larger than chains take, `proof_system_missing` without a compiler,
 *   `prover_*`
 */
export async function makeVerifier(
  system: Pick<ProofSystem, "onChainVerifier">,
  circuit: StoredCircuit,
  form?: VerifierForm,
  options: OperationOptions = {},
): Promise<VerifierCode> {
  try {
    return compileVerifier(await system.onChainVerifier(circuit, form ?? "whole", options));
  } catch (error) {
    const tooLarge = error instanceof ProofError && error.code === "verifier_too_large";
    if (form !== undefined || !tooLarge) throw error;
    return compileVerifier(await system.onChainVerifier(circuit, "reusable", options));
  }
}

function compileVerifier({ form, verifier, key }: VerifierSource): VerifierCode {
  if (key !== null) requireKey(key);
  const compiler = loadCompiler();
  const { bytecode, deployedBytecode } = compile(compiler, verifier).evm;
  requireSize("verifier", deployedBytecode.object.length / 2);
  const code = { form, verifier: fromHex(bytecode.object), runtime: fromHex(deployedBytecode.object) };
  if (key === null) return { ...code, key };
  return { ...code, key: fromHex(compile(compiler, key).evm.bytecode.object) };
}

/** A key's constructor returns data for code, of which the compiler knows no length. */
function requireKey(source: string): void {
  const [length, start] = [KEY_LENGTH.exec(source)?.[1], KEY_START.exec(source)?.[1]];
  if (length === undefined || start === undefined)
    throw new ProofError("prover_failed", "the verifying key's source is of another form");
  requireSize("verifying key", Number.parseInt(length, 16));
  // EIP-3541 leaves code that starts so to another format. It is one key in 256.
  if (start.startsWith("ef"))
    throw new ProofError(
      "verifier_unsuitable",
      "no chain takes this verifying key as code: it starts with ef",
    );
}

function requireSize(what: string, bytes: number): void {
  if (bytes > MAX_CODE_BYTES)
    throw new ProofError(
      "verifier_too_large",
      `the ${what} would have ${bytes} bytes of code, and a chain takes ${MAX_CODE_BYTES}: the circuit needs fewer columns`,
    );
}

function compile(compiler: Compiler, content: string): Compiled {
  const input = {
    language: "Solidity",
    sources: { source: { content } },
    settings: {
      evmVersion: "osaka",
      // Few runs and no IR: the code is assembly already, and has to be small.
      optimizer: { enabled: true, runs: 1 },
      metadata: { bytecodeHash: "none", appendCBOR: false },
      outputSelection: { "*": { "*": ["evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const { contracts, errors = [] } = JSON.parse(compiler.compile(JSON.stringify(input))) as {
    contracts?: { source?: Record<string, Compiled> };
    errors?: { severity: string; message: string }[];
  };
  const [contract, ...more] = Object.values(contracts?.source ?? {});
  if (contract && more.length === 0) return contract;
  const reason = errors.find(({ severity }) => severity === "error")?.message ?? "one contract was expected";
  throw new ProofError("prover_failed", `the generated verifier does not compile: ${reason.slice(0, 300)}`);
}

function loadCompiler(): Compiler {
  try {
    return createRequire(import.meta.url)("solc") as Compiler;
  } catch (cause) {
    throw new ProofError("proof_system_missing", MISSING, { cause });
  }
}
