/** Every device that a host of its own can see, by the interfaces that providers reach them by. */
import { z } from "zod";
import { ModelError } from "../../errors.ts";
import { adapterSchema } from "../../execution.ts";
import { HostProcess } from "../process.ts";

const LIMIT_MS = 30_000;
const listSchema = z.strictObject({
  adapters: z.array(adapterSchema).max(64),
  /** Why there are none, where the interface itself is not there. */
  error: z.strictObject({ code: z.string().max(64), message: z.string().max(1024) }).nullable(),
});
const devicesSchema = z.strictObject({ vulkan: listSchema, cuda: listSchema });

export type DeviceList = z.infer<typeof listSchema>;

/**
 * Looks in a process that dies with the look: drivers run native code.
 * @param environment the process's whole environment, as `deviceEnvironment` makes it
 * @throws ModelError `engine_crashed`, `engine_timeout`
 */
export async function listDevices(
  environment: Readonly<Record<string, string>>,
): Promise<{ vulkan: DeviceList; cuda: DeviceList }> {
  const host = new HostProcess(environment);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    host.kill();
  }, LIMIT_MS);
  try {
    return devicesSchema.parse(await host.devices());
  } catch (cause) {
    if (late) throw new ModelError("engine_timeout", "a driver did not list its devices in time", { cause });
    throw new ModelError("engine_crashed", "the look at the devices ended its process", { cause });
  } finally {
    clearTimeout(timer);
    host.kill();
    await host.gone;
  }
}
