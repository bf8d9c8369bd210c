/** RTMR3's file in a process whose system calls lead to a stand-in that keeps the kernel's rules. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha384 } from "../../codec/index.ts";
import { checkNobodysRegister } from "./measurement-register.ts";
import { CollectorProcess, STAND_IN_MISSING, type Answer, type StandIn } from "../testing/tee-stand-in.ts";

const first: Uint8Array = new Uint8Array(48).fill(1);
const second: Uint8Array = new Uint8Array(48).fill(2);

interface Faults {
  busyWrites?: number;
  readBytes?: number;
  writeTakes?: number;
  foreignWrites?: number;
  write?: Answer;
  open?: Answer;
}

/** drivers/virt/coco/guest/tsm-mr.c: whole reads, and whole writes that extend. */
class Register implements StandIn {
  value: Uint8Array = new Uint8Array(48).fill(9);
  readonly #faults: Faults;
  constructor(faults: Faults = {}) {
    this.#faults = faults;
  }
  open() {
    const faults = this.#faults;
    return (
      faults.open ?? {
        read: () => ({ bytes: this.value.slice(0, faults.readBytes ?? 48) }),
        write: (bytes: Buffer): Answer => {
          if (faults.busyWrites) {
            faults.busyWrites--;
            return { errno: "EBUSY" };
          }
          if (faults.write) return faults.write;
          if (faults.writeTakes !== undefined) return { value: faults.writeTakes };
          if (bytes.length !== 48) return { errno: "EINVAL" };
          this.value = sha384(this.value, bytes);
          if (faults.foreignWrites) this.value = sha384(this.value, first);
          return { value: 48 };
        },
      }
    );
  }
}

test("is left alone where dstack's guest agent extends it", async () => {
  const here = import.meta.filename;
  await expect(checkNobodysRegister(["/nowhere/dstack.sock", here])).rejects.toMatchObject({
    code: "evidence_unsupported",
  });
  await expect(checkNobodysRegister(["/nowhere/dstack.sock"])).resolves.toBeUndefined();
});

describe.skipIf(STAND_IN_MISSING)(`RTMR3${STAND_IN_MISSING ? ` (${STAND_IN_MISSING})` : ""}`, () => {
  let child: CollectorProcess;
  beforeAll(async () => void (child = await CollectorProcess.start()));
  afterAll(() => child.close());

  const extend = (register: Register, digests: Uint8Array[]) => {
    child.standIn = register;
    return child.extend(`${child.root}/rtmr3:sha384`, digests);
  };

  test("is read, and extended by each digest in turn", async () => {
    const register = new Register();
    const before = register.value;
    expect(await extend(register, [first, second])).toEqual({ values: [before, register.value] });
    expect(register.value).toEqual(sha384(sha384(before, first), second));
  });

  test("is tried again while it is busy, and extended once", async () => {
    const register = new Register({ busyWrites: 2 });
    const before = register.value;
    await extend(register, [first]);
    expect(register.value).toEqual(sha384(before, first));
  });

  const failing: [string, Faults, string][] = [
    ["is not there", { open: { errno: "ENOENT" } }, "interface_absent"],
    ["may not be opened", { open: { errno: "EACCES" } }, "permission_denied"],
    ["stays busy", { busyWrites: 100 }, "interface_busy"],
    ["gives a part of its value", { readBytes: 20 }, "reply_malformed"],
    ["takes a part of the digest", { writeTakes: 20 }, "interface_failed"],
    ["refuses what is written", { write: { errno: "EIO" } }, "interface_failed"],
    ["is read-only", { write: { errno: "EPERM" } }, "permission_denied"],
    ["is extended by another at the same time", { foreignWrites: 1 }, "report_conflict"],
  ];
  test.each(failing)("that %s is refused", async (_name, faults, code) => {
    expect(await extend(new Register(faults), [first])).toMatchObject({ code });
  });

  test("takes digests of 48 bytes alone", async () => {
    const register = new Register();
    const before = register.value;
    expect(await extend(register, [new Uint8Array(32)])).toMatchObject({ code: "interface_failed" });
    expect(register.value).toEqual(before);
  });
});
