import { describe, expect, it } from "vitest";
import { equal, sha256, toHex } from "../codec/index.ts";
import {
  addressOf,
  consistencyProof,
  decodeStatement,
  EMPTY_ROOT,
  keysetDigest,
  leafHash,
  nodeHash,
  parseKeyset,
  recoverSigner,
  reportData,
  treeRoot,
  verifyCheckpoint,
  wordsDigest,
} from "../receipts/index.ts";
import { aborted, draw, inference, inOneHour, install, signOne, start } from "./vault.test-support.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const digest = (byte: number) => new Uint8Array(32).fill(byte);
/** TD report data in a version 4 quote: 48 bytes of header, then 520 into the body. */
const REPORT_DATA_OFFSET = 48 + 520;

describe("a running vault", () => {
  it("says what it is", async () => {
    const { info } = await start();
    expect(addressOf(info.receiptPublicKey)).toEqual(info.receiptAddress);
    expect(info.attester).toEqual({ type: "tdx", name: "simulated", simulated: true });
    expect(info.ownUser).toBe(process.geteuid!() === 0);
    expect(info.coreDumps).toBe(false);
    expect(info.dumpable).toBe(process.platform !== "linux");
  });

  it("signs an answer under the installed keyset, by its own clock and sequence", async () => {
    const vault = await start();
    const { digest: installed } = await install(vault);
    const before = BigInt(Date.now());
    const [ticket] = await draw(vault, 1);
    const signed = await vault.signInference({ ...inference(ticket!), promised: 3, promiseDeadlineMs: 5n });
    expect(recoverSigner(signed.digest, signed.signature)).toEqual(vault.info.receiptAddress);
    expect(wordsDigest(signed.type, signed.words)).toEqual(signed.digest);
    const fields = decodeStatement("InferenceStatement", signed.words);
    expect(fields).toMatchObject({ ...inference(ticket!), promised: 3, promiseDeadlineMs: 5n, sequence: 1n });
    expect(fields.keysetDigest).toEqual(installed);
    expect(signed.keysetDigest).toEqual(installed);
    expect(fields.issuedAtMs).toBeGreaterThanOrEqual(before);
    expect(fields.issuedAtMs).toBeLessThanOrEqual(BigInt(Date.now()));
  });

  it("overrides what a caller slips in for the vault's own fields", async () => {
    const vault = await start();
    const { digest: installed } = await install(vault);
    const [ticket] = await draw(vault, 1);
    const forged = { ...inference(ticket!), keysetDigest: digest(66), sequence: 99n, issuedAtMs: 5n };
    const fields = decodeStatement("InferenceStatement", (await vault.signInference(forged)).words);
    expect([fields.sequence, equal(fields.keysetDigest, installed)]).toEqual([1n, true]);
  });

  it("signs once a ticket, whatever races for it", async () => {
    const vault = await start();
    await install(vault);
    const [ticket] = await draw(vault, 1);
    const racers = Array.from({ length: 300 }, (_, i) =>
      i % 2 === 0 ? vault.signInference(inference(ticket!)) : vault.signAborted(aborted(ticket!)),
    );
    const results = await Promise.allSettled(racers);
    expect(results.filter((result) => result.status === "fulfilled").length).toBe(1);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toEqual(refusal("ticket_unknown"));
    }
  });

  it("gives every statement of a mixed batch its own result and rising sequences", async () => {
    const vault = await start();
    await install(vault);
    const tickets = await draw(vault, 200);
    const results = await Promise.allSettled(
      tickets.map((ticket, i) => {
        if (i % 5 === 0) return vault.signInference(inference(digest(1)));
        if (i % 5 === 1) return vault.signInference({ ...inference(ticket), modelId: digest(0) });
        return i % 5 === 2 ? vault.signAborted(aborted(ticket)) : vault.signInference(inference(ticket));
      }),
    );
    const sequences: bigint[] = [];
    results.forEach((result, i) => {
      if (result.status === "rejected") {
        expect(result.reason).toEqual(refusal(i % 5 === 0 ? "ticket_unknown" : "statement_invalid"));
        return;
      }
      const { type, words, sequence } = result.value;
      expect(type).toBe(i % 5 === 2 ? "Aborted" : "InferenceStatement");
      expect(words.subarray(0, 32)).toEqual(tickets[i]);
      sequences.push(sequence);
    });
    expect(sequences).toEqual(Array.from({ length: 120 }, (_, i) => BigInt(i + 1)));
    // A refused statement kept its ticket.
    await vault.signInference(inference(tickets[1]!));
  });

  it("signs nothing before a keyset is installed and nothing after its end", async () => {
    const vault = await start();
    await expect(signOne(vault)).rejects.toThrow(refusal("keyset_missing"));
    await expect(vault.quote(null)).rejects.toThrow(refusal("keyset_missing"));
    const notAfterSeconds = BigInt(Math.floor(Date.now() / 1000)) + 1n;
    await vault.installKeyset({ subject: null, notAfterSeconds, logOrigin: "log.example", tlsKeys: [] });
    await signOne(vault);
    await new Promise((resolve) => setTimeout(resolve, Number(notAfterSeconds) * 1000 - Date.now() + 10));
    await expect(signOne(vault)).rejects.toThrow(refusal("keyset_expired"));
    await install(vault);
    await signOne(vault);
  });

  it("builds the keyset from its own keys", async () => {
    const vault = await start();
    const { text, digest: installed } = await install(vault);
    expect(keysetDigest(text)).toEqual(installed);
    const keyset = parseKeyset(text);
    expect(keyset.receiptAddress).toEqual(vault.info.receiptAddress);
    expect(keyset.airPublicKey).toEqual(vault.info.airPublicKey);
    expect(keyset.log).toEqual({ origin: "log.example", publicKey: vault.info.logPublicKey });
    expect(keyset.tlsKeys).toEqual([{ spkiSha256: digest(9), domain: "a.example", custody: "service" }]);
    await expect(install(vault, "")).rejects.toThrow(refusal("keyset_invalid"));
  });

  it("quotes its own keyset alone, and signs a Keyset statement over such a quote alone", async () => {
    const vault = await start();
    const { digest: installed } = await install(vault);
    const { type, quote } = await vault.quote(digest(4));
    expect(type).toBe("tdx");
    expect(quote.slice(REPORT_DATA_OFFSET, REPORT_DATA_OFFSET + 64)).toEqual(
      reportData(installed, digest(4)),
    );
    const bare = await vault.quote(null);
    expect(bare.quote.slice(REPORT_DATA_OFFSET, REPORT_DATA_OFFSET + 64)).toEqual(
      reportData(installed, null),
    );
    const fields = {
      evidenceDigest: sha256(quote),
      endorsementsDigest: digest(2),
      notBeforeMs: BigInt(Date.now()),
      notAfterMs: BigInt(Date.now() + 1000),
    };
    const signed = await vault.signKeyset(fields);
    expect(recoverSigner(signed.digest, signed.signature)).toEqual(vault.info.receiptAddress);
    expect(decodeStatement("Keyset", signed.words)).toEqual({ ...fields, keysetDigest: installed });
    const hostile = [
      [{ evidenceDigest: digest(1) }, "evidence_unknown"],
      [{ notAfterMs: fields.notBeforeMs }, "statement_invalid"],
      [{ notAfterMs: (inOneHour() + 5n) * 1000n }, "statement_invalid"],
    ] as const;
    for (const [change, code] of hostile) {
      await expect(vault.signKeyset({ ...fields, ...change })).rejects.toThrow(refusal(code));
    }
  });

  it("bounds quotes, draws and messages", async () => {
    const vault = await start();
    await install(vault);
    const quotes = await Promise.allSettled(Array.from({ length: 60 }, () => vault.quote(null)));
    const refused = quotes.filter((result) => result.status === "rejected");
    expect(refused.length).toBeGreaterThan(10);
    for (const result of refused) expect(result.reason).toEqual(refusal("quote_rate_limited"));
    await expect(vault.drawTickets(0)).rejects.toThrow(refusal("malformed"));
    await expect(vault.drawTickets(1025)).rejects.toThrow(refusal("request_too_large"));
    await expect(vault.idempotencyTag(new Uint8Array(65_537))).rejects.toThrow(refusal("request_too_large"));
    await expect(vault.quote(new Uint8Array(31))).rejects.toThrow(refusal("malformed"));
    await signOne(vault);
  });

  it("tells each ticket's default salt with it", async () => {
    const vault = await start();
    const tickets = await vault.drawTickets(3);
    for (const { requestId, defaultSalt } of tickets)
      expect(defaultSalt).toEqual(await vault.defaultSalt(requestId));
    expect(new Set(tickets.map(({ defaultSalt }) => toHex(defaultSalt))).size).toBe(3);
  });

  it("derives salts, record keys and tags that are its storage key's", async () => {
    const [one, two] = [await start(), await start()];
    const ask = (vault: typeof one) =>
      Promise.all([
        vault.defaultSalt(digest(1)),
        vault.recordKey(digest(1)),
        vault.idempotencyTag(digest(1)),
        vault.defaultSalt(digest(2)),
      ]);
    const answers = [...(await ask(one)), ...(await ask(two))].map(toHex);
    expect(new Set(answers).size).toBe(8);
    expect((await ask(one)).map(toHex)).toEqual(answers.slice(0, 4));
  });

  it("signs checkpoints as note and for contracts", async () => {
    const vault = await start();
    const { digest: installed } = await install(vault);
    const [a, b] = [leafHash(digest(1)), leafHash(digest(2))];
    const node = (level: number, index: bigint) => (level === 1 ? nodeHash(a, b) : index === 0n ? a : b);
    expect(await vault.lastCheckpoint()).toBe(null);
    await vault.signCheckpoint({ size: 0n, root: EMPTY_ROOT, consistencyProof: [] });
    await vault.signCheckpoint({ size: 1n, root: a, previousSize: 0n, consistencyProof: [] });
    const next = {
      size: 2n,
      root: treeRoot(2n, node),
      previousSize: 1n,
      consistencyProof: consistencyProof(1n, 2n, node),
    };
    const { note, eip712 } = await vault.signCheckpoint(next);
    verifyCheckpoint(note, { name: "log.example", publicKey: vault.info.logPublicKey });
    expect(recoverSigner(eip712.digest, eip712.signature)).toEqual(vault.info.receiptAddress);
    expect(eip712).toMatchObject({ origin: "log.example", size: 2n, keysetDigest: installed });
    expect(await vault.lastCheckpoint()).toEqual({ size: 2n, root: next.root });
    await expect(vault.signCheckpoint({ size: 1n, root: a, consistencyProof: [] })).rejects.toThrow(
      refusal("checkpoint_rollback"),
    );
    const fork = { ...next, size: 2n, root: digest(7), previousSize: 2n, consistencyProof: [] };
    await expect(vault.signCheckpoint(fork)).rejects.toThrow(refusal("checkpoint_fork"));
  });

  it("signs thousands of statements a second in batches", async () => {
    const vault = await start();
    await install(vault);
    const draws = await Promise.all(Array.from({ length: 4 }, () => draw(vault, 1000)));
    const startMs = performance.now();
    const signed = await Promise.all(draws.flat().map((ticket) => vault.signInference(inference(ticket))));
    const seconds = (performance.now() - startMs) / 1000;
    const perSecond = Math.round(signed.length / seconds);
    process.stdout.write(`vault: ${perSecond} signatures/s (${vault.info.signer})\n`);
    expect(new Set(signed.map(({ sequence }) => sequence)).size).toBe(4000);
    for (const { digest: message, signature } of signed.slice(0, 10)) {
      expect(recoverSigner(message, signature)).toEqual(vault.info.receiptAddress);
    }
    expect(perSecond).toBeGreaterThan(200);
  });

  it("has nothing to log when all goes well", async () => {
    const lines: string[] = [];
    const vault = await start(undefined, lines);
    await install(vault);
    const [ticket] = await draw(vault, 1);
    await vault.signInference(inference(ticket!));
    await vault.close();
    expect(lines).toEqual([]);
  });
});
