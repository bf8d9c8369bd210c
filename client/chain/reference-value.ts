/** Which code: the id under which a registry lists chosen registers of a quote (contracts/src/registry/ReferenceValue.sol). */
import { bytesToHex, encodeAbiParameters, keccak256, type Hex } from "viem";
import { AttestationError, parseQuote } from "../../attestation/index.ts";
import { concat } from "../../codec/index.ts";
import { ChainError } from "./error.ts";

/** As in `IQuoteVerifier.Technology`. */
export const TECHNOLOGIES = { tdx: 1, sevSnp: 2, nitro: 3, development: 4 } as const;
export type Technology = keyof typeof TECHNOLOGIES;

/** MRTD and RTMR0 to RTMR2: firmware, its configuration, kernel and what it was started with. RTMR3 is the guest's own. */
export const DEFAULT_MASK = 0b0111_0001n;
const REGISTER_BYTES = 48;

/**
 * @param registers 48 bytes each, in the verifier's order; for TDX MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG, RTMR0 to RTMR3
 * @param mask bit i chooses register i; bit 0 is always chosen
 * @throws ChainError `evidence_unsupported` where the mask chooses what is not there
 */
export function referenceValueId(technology: Technology, registers: Uint8Array, mask = DEFAULT_MASK): Hex {
  const count = Math.floor(registers.length / REGISTER_BYTES);
  if ((mask & 1n) === 0n || mask >> BigInt(count) !== 0n)
    throw new ChainError(
      "evidence_unsupported",
      "the mask leaves out the first register or has more than there are",
    );
  const chosen = Array.from({ length: count }, (_, i) => i)
    .filter((i) => ((mask >> BigInt(i)) & 1n) === 1n)
    .map((i) => registers.subarray(i * REGISTER_BYTES, (i + 1) * REGISTER_BYTES));
  const parameters = [{ type: "uint8" }, { type: "uint256" }, { type: "bytes" }] as const;
  const values = [TECHNOLOGIES[technology], mask, bytesToHex(concat(...chosen))] as const;
  return keccak256(encodeAbiParameters(parameters, values));
}

/**
 * The registers of a TDX quote. Nothing is verified.
 * @throws ChainError `evidence_unsupported` for anything but a TDX quote
 */
export function quoteRegisters(quote: Uint8Array): Uint8Array {
  try {
    const { body } = parseQuote(quote);
    if (body.kind === "sgx") throw new ChainError("evidence_unsupported", "the quote is of SGX, not of TDX");
    return concat(body.mrTd, body.mrConfigId, body.mrOwner, body.mrOwnerConfig, ...body.rtmr);
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    throw new ChainError("evidence_unsupported", `the quote cannot be read: ${error.message}`, {
      cause: error,
    });
  }
}
