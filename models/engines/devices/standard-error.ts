/**
 * What native libraries of this process write to standard error meanwhile, which is the only place where ONNX Runtime
 * and the Vulkan loader say some things. Linux only; elsewhere nothing is caught.
 */
import { closeSync, fstatSync, readSync } from "node:fs";
import koffi from "koffi";

const STANDARD_ERROR_FD = 2;
const CLOSE_ON_EXEC = 1;
const MAX_TEXT_BYTES = 64 * 1024 * 1024;

/** Returns a function that ends the catch and gives the text; call it once, whatever happens. */
export function catchStandardError(): () => string {
  if (process.platform !== "linux") return () => "";
  const libc = koffi.load(null);
  const duplicate = libc.func("int dup(int)");
  const replace = libc.func("int dup2(int, int)");
  const file = libc.func("int memfd_create(const char *, uint)")("standard-error", CLOSE_ON_EXEC) as number;
  const before = file < 0 ? -1 : (duplicate(STANDARD_ERROR_FD) as number);
  if (before < 0) return () => "";
  replace(file, STANDARD_ERROR_FD);
  return () => {
    replace(before, STANDARD_ERROR_FD);
    closeSync(before);
    const text = Buffer.alloc(Math.min(fstatSync(file).size, MAX_TEXT_BYTES));
    readSync(file, text, 0, text.length, 0);
    closeSync(file);
    return text.toString("latin1");
  };
}
