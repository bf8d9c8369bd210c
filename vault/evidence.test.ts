/** What comes with a vault's quotes: GPU evidence, and models measured into the register that they show. */
import { describe, expect, it } from "vitest";
import { parseNvidiaEvidence, parseNvidiaReport, parseQuote } from "../attestation/index.ts";
import { sha256 } from "../codec/index.ts";
import { evidenceDigest, gpuNonce, parseKeyset, replayMeasuredModels } from "../receipts/index.ts";
import { install, start } from "./vault.test-support.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const digest = (byte: number) => new Uint8Array(32).fill(byte);

describe("a running vault", () => {
  it("measures each model once, which every later quote shows", async () => {
    const vault = await start();
    await install(vault);
    expect(vault.info.measuresModels).toBe(true);
    expect((await vault.quote(null)).measuredModels).toBeUndefined();
    for (const byte of [1, 2, 1]) expect(await vault.measureModel(digest(byte))).toBe(true);
    const { quote, measuredModels } = await vault.quote(null);
    expect(measuredModels).toEqual({
      register: 3,
      before: new Uint8Array(48),
      modelIds: [digest(1), digest(2)],
    });
    const { body } = parseQuote(quote);
    expect(body.kind !== "sgx" && body.rtmr[3]).toEqual(replayMeasuredModels(measuredModels!));
    const again = Array.from({ length: 254 }, (_, i) => sha256(Uint8Array.of(i)));
    for (const modelId of again) await vault.measureModel(modelId);
    await expect(vault.measureModel(digest(3))).rejects.toThrow(refusal("request_too_large"));
  });

  it("brings GPU evidence over the keyset's own nonce, and names all of it in the Keyset statement", async () => {
    const vault = await start(undefined, [], { gpuAttestation: "simulated", measurementRegister: "none" });
    const { digest: installed, text } = await install(vault);
    const gpuAttester = { type: "nvidia-gpu", name: "simulated", simulated: true };
    expect(vault.info).toMatchObject({ gpuAttester, measuresModels: false });
    expect(parseKeyset(text).attester.gpu).toEqual(gpuAttester);
    expect(await vault.measureModel(digest(1))).toBe(false);
    const evidence = await vault.quote(digest(4));
    expect(evidence.measuredModels).toBeUndefined();
    const [device] = parseNvidiaEvidence(evidence.gpu!.quote, []);
    expect(parseNvidiaReport(device!.report).requestNonce).toEqual(gpuNonce(installed, digest(4)));
    const now = BigInt(Date.now());
    const fields = { endorsementsDigest: digest(2), notBeforeMs: now, notAfterMs: now + 1000n };
    await vault.signKeyset({ ...fields, evidenceDigest: evidenceDigest(evidence) });
    await expect(vault.signKeyset({ ...fields, evidenceDigest: sha256(evidence.quote) })).rejects.toThrow(
      refusal("evidence_unknown"),
    );
  });

  it("does not start with a GPU or register that was asked for and is not there", async () => {
    await expect(start(undefined, [], { gpuAttestation: "nvml:/nowhere/nvml.so" })).rejects.toThrow(
      refusal("attester_unavailable"),
    );
    // The second opens, and is none that a simulated quote shows.
    const { filename } = import.meta;
    for (const measurementRegister of ["/nowhere/rtmr3", filename]) {
      await expect(start(undefined, [], { measurementRegister })).rejects.toThrow(
        refusal("attester_unavailable"),
      );
    }
  });
});
