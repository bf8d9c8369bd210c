/**
 * The salted digests of a statement. One 32-byte salt a request gives each field a salt of its own, so that one field
 * can be disclosed without the others: s_x = HKDF-SHA256(IKM = salt, HKDF salt empty, info = "affidavit.v1." ‖ x, L = 32).
 */
import { concat, hkdfExpander, hkdfExtractSha256, keccak256, sha256, utf8 } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";

export type SaltField = "input" | "output" | "request" | "response" | "requester" | "settlement";

export const SALT_FIELDS: readonly SaltField[] = [
  "input",
  "output",
  "request",
  "response",
  "requester",
  "settlement",
];

const INFO = new Map(SALT_FIELDS.map((field) => [field, utf8("affidavit.v1." + field)]));
const MAX_TEXT_BYTES = 4096;

function exactly(bytes: Uint8Array, byteLength: number, what: string): void {
  if (bytes.length !== byteLength) {
    throw new ReceiptError("digest_input_invalid", `${what} is ${byteLength} bytes, got ${bytes.length}`);
  }
}

function boundedText(text: string, what: string): Uint8Array {
  const bytes = utf8(text);
  if (!text.isWellFormed() || bytes.length > MAX_TEXT_BYTES) {
    throw new ReceiptError(
      "digest_input_invalid",
      `${what} is not well-formed text of at most ${MAX_TEXT_BYTES} bytes`,
    );
  }
  return bytes;
}

function uintWord(value: bigint): Uint8Array {
  if (value < 0n || value >= 2n ** 256n) throw new ReceiptError("digest_input_invalid", "not a uint256");
  const word = new Uint8Array(32);
  const view = new DataView(word.buffer);
  for (let i = 0; i < 4; i++) view.setBigUint64(24 - 8 * i, BigInt.asUintN(64, value >> BigInt(64 * i)));
  return word;
}

function abiBytes(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(32 + Math.ceil(bytes.length / 32) * 32);
  padded.set(uintWord(BigInt(bytes.length)));
  padded.set(bytes, 32);
  return padded;
}

/** The digests under a field's own salt s_x: what a verifier of a single disclosed field computes. */
export const fieldDigests = {
  /** sha256(s_input ‖ canonical input) */
  inputCommitment(sInput: Uint8Array, canonicalInput: Uint8Array): Uint8Array {
    exactly(sInput, 32, "a field salt");
    return sha256(sInput, canonicalInput);
  },
  /** keccak256(abi.encode(bytes32 s_output, bytes encodedOutput)) */
  outputDigest(sOutput: Uint8Array, encodedOutput: Uint8Array): Uint8Array {
    exactly(sOutput, 32, "a field salt");
    return keccak256(concat(sOutput, uintWord(64n), abiBytes(encodedOutput)));
  },
  /** sha256(s ‖ sha256(body)), for a request and a response alike */
  bodyDigest(s: Uint8Array, body: Uint8Array): Uint8Array {
    exactly(s, 32, "a field salt");
    return sha256(s, sha256(body));
  },
  /** The same of a body whose SHA-256 is known. */
  hashedBodyDigest(s: Uint8Array, hash32: Uint8Array): Uint8Array {
    exactly(s, 32, "a field salt");
    exactly(hash32, 32, "a body's hash");
    return sha256(s, hash32);
  },
  /** sha256(s_requester ‖ identity as UTF-8), identity such as `account:<id>` */
  requester(sRequester: Uint8Array, identity: string): Uint8Array {
    exactly(sRequester, 32, "a field salt");
    return sha256(sRequester, boundedText(identity, "an identity"));
  },
  /** sha256(abi.encode(bytes32 s_settlement, string method, uint256 amountAtomic, string reference)) */
  settlement(sSettlement: Uint8Array, method: string, amountAtomic: bigint, reference: string): Uint8Array {
    exactly(sSettlement, 32, "a field salt");
    const first = abiBytes(boundedText(method, "a method"));
    const second = abiBytes(boundedText(reference, "a reference"));
    const head = concat(
      sSettlement,
      uintWord(128n),
      uintWord(amountAtomic),
      uintWord(128n + BigInt(first.length)),
    );
    return sha256(head, first, second);
  },
};

/**
 * The digests of one REQUEST's 32-byte salt. Each derives its field's salt itself, so that a field cannot be hashed
 * under another field's salt by mistake; several digests of one request share the extraction of HKDF.
 */
export class SaltedDigests {
  readonly #expand: (info: Uint8Array) => Uint8Array;

  /** @throws ReceiptError `salt_invalid` */
  constructor(salt32: Uint8Array) {
    if (salt32.length !== 32) throw new ReceiptError("salt_invalid", "a salt is 32 bytes");
    this.#expand = hkdfExpander(hkdfExtractSha256(salt32));
  }

  /** The salt of one field: 32 bytes. @throws ReceiptError `salt_invalid` */
  salt(field: SaltField): Uint8Array {
    const info = INFO.get(field);
    if (info === undefined) throw new ReceiptError("salt_invalid", "no such field has a salt");
    return this.#expand(info);
  }

  inputCommitment(canonicalInput: Uint8Array): Uint8Array {
    return fieldDigests.inputCommitment(this.salt("input"), canonicalInput);
  }

  outputDigest(encodedOutput: Uint8Array): Uint8Array {
    return fieldDigests.outputDigest(this.salt("output"), encodedOutput);
  }

  /** `body`: the request's exact bytes after unsealing, identity content-coding. */
  requestDigest(body: Uint8Array): Uint8Array {
    return fieldDigests.bodyDigest(this.salt("request"), body);
  }

  /** `body`: the response's exact bytes before sealing, identity content-coding. */
  responseDigest(body: Uint8Array): Uint8Array {
    return fieldDigests.bodyDigest(this.salt("response"), body);
  }

  /** @throws ReceiptError `digest_input_invalid` */
  requesterDigest(identity: string): Uint8Array {
    return fieldDigests.requester(this.salt("requester"), identity);
  }

  /** @throws ReceiptError `digest_input_invalid` */
  settlementDigest(method: string, amountAtomic: bigint, reference: string): Uint8Array {
    return fieldDigests.settlement(this.salt("settlement"), method, amountAtomic, reference);
  }
}

/** {@link SaltedDigests.salt} of one field alone. @throws ReceiptError `salt_invalid` */
export function deriveSalt(salt32: Uint8Array, field: SaltField): Uint8Array {
  return new SaltedDigests(salt32).salt(field);
}

/** @throws ReceiptError `salt_invalid` */
export function inputCommitment(salt32: Uint8Array, canonicalInput: Uint8Array): Uint8Array {
  return new SaltedDigests(salt32).inputCommitment(canonicalInput);
}

/** @throws ReceiptError `salt_invalid` */
export function outputDigest(salt32: Uint8Array, encodedOutput: Uint8Array): Uint8Array {
  return new SaltedDigests(salt32).outputDigest(encodedOutput);
}

/** @throws ReceiptError `salt_invalid` */
export function requestDigest(salt32: Uint8Array, body: Uint8Array): Uint8Array {
  return new SaltedDigests(salt32).requestDigest(body);
}

/** @throws ReceiptError `salt_invalid` */
export function responseDigest(salt32: Uint8Array, body: Uint8Array): Uint8Array {
  return new SaltedDigests(salt32).responseDigest(body);
}

/** @throws ReceiptError `salt_invalid`, `digest_input_invalid` */
export function requesterDigest(salt32: Uint8Array, identity: string): Uint8Array {
  return new SaltedDigests(salt32).requesterDigest(identity);
}

/** @throws ReceiptError `salt_invalid`, `digest_input_invalid` */
export function settlementDigest(
  salt32: Uint8Array,
  method: string,
  amountAtomic: bigint,
  reference: string,
): Uint8Array {
  return new SaltedDigests(salt32).settlementDigest(method, amountAtomic, reference);
}

/** A request of a contract, as its coordinator numbers it. */
export interface ChainRequest {
  chainId: bigint;
  /** 20 bytes. */
  coordinator: Uint8Array;
  /** The contract that asks, and that the answer is for: 20 bytes. */
  requester: Uint8Array;
  /** Of this requester's requests, from 0. */
  nonce: bigint;
}

/**
 * keccak256(abi.encode(uint256 chainId, address coordinator, address requester, uint64 nonce, bytes32 modelId,
 * bytes32 inputCommitment, bytes32 circuitInput, bytes32 policyDigest)), 32 bytes.
 * @throws ReceiptError `digest_input_invalid`
 */
export function chainRequestId(
  { chainId, coordinator, requester, nonce }: ChainRequest,
  asked: Record<"modelId" | "inputCommitment" | "circuitInput" | "policyDigest", Uint8Array>,
): Uint8Array {
  const words = [asked.modelId, asked.inputCommitment, asked.circuitInput, asked.policyDigest];
  for (const word of words) exactly(word, 32, "a digest");
  const numbers = concat(
    uintWord(chainId),
    addressWord(coordinator),
    addressWord(requester),
    uintWord(nonce),
  );
  return keccak256(concat(numbers, ...words));
}

/**
 * keccak256(abi.encode(bytes32 requestId, address operator)), 32 bytes: `settlement` of the answer to a contract's request, which
 * pays that operator alone. The id already names chain, coordinator and requester.
 * @throws ReceiptError `digest_input_invalid`
 */
export function chainSettlement(requestId32: Uint8Array, operator20: Uint8Array): Uint8Array {
  exactly(requestId32, 32, "a request id");
  return keccak256(concat(requestId32, addressWord(operator20)));
}

function addressWord(address20: Uint8Array): Uint8Array {
  exactly(address20, 20, "an address");
  return concat(new Uint8Array(12), address20);
}

/**
 * keccak256(abi.encode(uint256 chainId, address consumer)): which contract may act on a statement.
 * @throws ReceiptError `digest_input_invalid`
 */
export function audienceDigest(chainId: bigint, address20: Uint8Array): Uint8Array {
  return keccak256(concat(uintWord(chainId), addressWord(address20)));
}
