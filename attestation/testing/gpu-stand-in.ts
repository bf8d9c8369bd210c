/** NVIDIA's library as a GPU under the development root answers: for tests, by dlopen as the real one. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { simulatedGpuEvidence } from "../attest/simulated-nvidia.ts";
import { C_COMPILER } from "./tee-stand-in.ts";

/** Compiles the stand-in so that it serves from `folder`. */
export function compileNvml(folder: string): string {
  const library = join(folder, "libnvidia-ml.so.1");
  const source = join(import.meta.dirname, "nvml-stand-in.c");
  execFileSync(C_COMPILER, ["-shared", "-fPIC", `-DFOLDER="${folder}"`, "-o", library, source]);
  return library;
}

export class GpuStandIn {
  readonly library: string;
  readonly nonces: Uint8Array[] = [];
  readonly #folder: string;
  readonly #server: Server;

  private constructor(folder: string) {
    this.#folder = folder;
    // The vault may run as a user of its own.
    chmodSync(folder, 0o777);
    this.library = compileNvml(folder);
    writeFileSync(join(folder, "chain.pem"), simulatedGpuEvidence(new Uint8Array(32)).certificateChain);
    this.#server = createServer((socket) => {
      socket.once("data", (nonce) => {
        const asked = new Uint8Array(nonce as Buffer);
        this.nonces.push(asked);
        socket.end(simulatedGpuEvidence(asked).report);
      });
      socket.on("error", () => socket.destroy());
    });
  }

  static async start(): Promise<GpuStandIn> {
    const made = new GpuStandIn(mkdtempSync(join(tmpdir(), "gpu-")));
    const path = join(made.#folder, "gpu.sock");
    await once(made.#server.listen(path), "listening");
    chmodSync(path, 0o777);
    return made;
  }

  /** From now on it fails as the stand-in's file of that name says. */
  fail(name: string): void {
    writeFileSync(join(this.#folder, name), "");
  }

  mend(name: string): void {
    rmSync(join(this.#folder, name), { force: true });
  }

  close(): void {
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
