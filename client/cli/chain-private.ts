/** Requests whose input the chain only sees a commitment to: what `chain request --private` and `chain open` share. */
import { bytesToHex, type Address } from "viem";
import { inputCommitment } from "../../receipts/index.ts";
import {
  nextOpening,
  openingAt,
  requestInference,
  serializeOpening,
  type Ask,
  type ChainOpening,
  type ChainWriter,
} from "../chain/index.ts";
import type { Client } from "../client.ts";
import { AffidavitError } from "../errors.ts";
import { RefusedError } from "./command.ts";
import { replaceFile } from "./replace-file.ts";

const NONE = new Uint8Array(32);

interface PrivateAsk {
  /** Where the opening is kept. */
  file: string;
  client: Client;
  writer: ChainWriter;
  coordinator: Address;
  ask: Ask;
  /** 32 bytes. */
  salt: Uint8Array;
  /** Canonical tensors. */
  input: Uint8Array;
}

/** Keeps the opening, asks, and posts it: what fails on the way can be gone on with. @throws RefusedError, ChainError, AffidavitError */
export async function askPrivately({ file, client, writer, coordinator, ask, salt, input }: PrivateAsk) {
  const { reader, wallet } = writer;
  const { modelId, policyDigest, circuitInput = NONE } = ask;
  const requester = wallet.account.address;
  const opened = { modelId, policyDigest, circuitInput, salt, input, requester };
  // Before the payment: a service that is not what it should be is not asked.
  await client.attestation();
  const expected = await nextOpening(reader, coordinator, opened);
  await replaceFile(file, serializeOpening(expected), 0o600);
  const commitment = inputCommitment(salt, input);
  const made = await requestInference(writer, coordinator, { ...ask, commitment });
  const opening = openingAt(await reader.getChainId(), coordinator, { ...expected, nonce: made.nonce });
  if (opening.nonce !== expected.nonce) await replaceFile(file, serializeOpening(opening), 0o600);
  await postOpening(client, opening, file);
  return made;
}

/** @throws RefusedError `opening_not_posted`; AffidavitError where it is not the service's fault for now */
export async function postOpening(client: Client, opening: ChainOpening, file: string): Promise<boolean> {
  try {
    return (await client.openChainRequest(opening)).asked;
  } catch (cause) {
    if (!(cause instanceof AffidavitError)) throw cause;
    const requestId = bytesToHex(opening.requestId);
    const code = cause.detail ?? cause.code;
    const advice = `send it again: affidavit chain open ${file}`;
    const message = `the service did not take the opening of ${requestId} (${code}: ${cause.message}); ${advice}`;
    throw new RefusedError("opening_not_posted", message, { cause });
  }
}
