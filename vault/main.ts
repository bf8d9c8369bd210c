/** The vault's process: holds the private keys, listens on descriptor 3 and ends with it. */
import { connect, inheritedSocket, type Frame, type Reply } from "../ipc/index.ts";
import { parseArguments } from "./host/arguments.ts";
import { forbidDumping } from "./host/harden.ts";
import { startSecurityModule } from "./host/security-module.ts";
import { refusal } from "./host/serve.ts";
import { MAX_FRAME_BYTES } from "./wire/operations.ts";

// In memory of its own each buffer is freed, and wiped, with its last use; in a slab its neighbours would keep it there.
Buffer.poolSize = 0;

const log = (line: string) => void process.stderr.write(`${line}\n`);

// A terminal's Ctrl-C and a supervisor's SIGTERM reach every process of the service; the vault must outlive the answers
// that the service still finishes, so only the end of the channel ends it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

let serve: ((frame: Frame) => Reply | Promise<Reply>) | undefined;

async function start(): Promise<(frame: Frame) => Reply | Promise<Reply>> {
  forbidDumping();
  serve = await startSecurityModule(parseArguments(process.argv.slice(2)), log);
  return serve;
}

const started = start();

async function serveOnceStarted(frame: Frame): Promise<Reply> {
  try {
    return await (
      await started
    )(frame);
  } catch (error) {
    return refusal(error, log);
  }
}

const channel = connect(inheritedSocket(3), {
  maxFrameBytes: MAX_FRAME_BYTES,
  serve: (frame) => (serve ? serve(frame) : serveOnceStarted(frame)),
});

// The refusal of the first request tells the service why; a failed start must not end the process before that.
started.catch(() => undefined);
void channel.closed.then(() => process.exit(0));
