/** One attester out of those asked for: interfaces are opened first, as root where need be, and tried as who will use them. */
import type { EvidenceType } from "../appraise/appraisal.ts";
import { AttestationError } from "../error.ts";
import { CollectorError } from "./collector-error.ts";
import type { Collected, Owner, QuoteDevice } from "./collector.ts";
import { CONFIGFS_TSM } from "./configfs-tsm.ts";
import { checkNobodysRegister, openRtmr3, RTMR3, type MeasurementRegister } from "./measurement-register.ts";
import { isSimulatedEvidence } from "./origin.ts";
import { parseSelection, type Selected } from "./selection.ts";
import { createSimulatedAttester } from "./simulated.ts";

export interface Attester {
  readonly type: EvidenceType;
  /** The interface that is used, or `simulated`. */
  readonly name: string;
  /** Whether the evidence proves nothing, being made without hardware. */
  readonly simulated: boolean;
  /** Evidence over 64 bytes of report data. @throws AttestationError `report_data_size`; CollectorError */
  quote(reportData: Uint8Array): Promise<Uint8Array>;
  /** As `quote`, with the certificates that the interface gives beside it. */
  collect(reportData: Uint8Array): Promise<Collected>;
  /** What software may extend and the evidence shows; undefined where the platform or its kernel offers none. */
  readonly register?: MeasurementRegister | undefined;
  close(): Promise<void>;
}

/** Why one of those asked for is not used. */
export interface Refusal {
  readonly name: string;
  readonly error: CollectorError;
}

export interface AttesterOptions {
  /** Who will ask for evidence, where that is not this process's user. */
  readonly owner?: Owner | undefined;
  readonly timeoutMs?: number | undefined;
  /** The measurement register: `auto` (where there is one), `none`, or the absolute path of its file. */
  readonly register?: string | undefined;
}

type Opened = Selected & ({ device: QuoteDevice } | { error: CollectorError } | { simulated: true });

export interface Interfaces {
  /**
   * The first that gives evidence, and why each before it does not. A simulated one is only taken where it was asked for
   * by name and every interface named before it is absent: hardware that fails is no reason to simulate it.
   * @throws AttestationError `attester_unavailable`, whose message says why for each
   */
  choose(): Promise<{ attester: Attester; refusals: readonly Refusal[] }>;
}

/** Opens what `selection` names. @throws AttestationError `attester_unavailable` where a name is not known */
export async function openInterfaces(selection: string, options: AttesterOptions = {}): Promise<Interfaces> {
  const opened: Opened[] = [];
  for (const selected of parseSelection(selection)) opened.push(await openOne(selected, options));
  const register = await openRegister(options);
  const isAsked = ![undefined, "auto", "none"].includes(options.register);
  return { choose: () => chooseWith(opened, register, isAsked) };
}

/** @throws AttestationError `attester_unavailable` where it was asked for by its path and does not open */
async function openRegister({
  register = "auto",
  timeoutMs,
}: AttesterOptions): Promise<MeasurementRegister | CollectorError | undefined> {
  if (register === "none") return undefined;
  const path = register === "auto" ? undefined : register;
  try {
    if (path === undefined) await checkNobodysRegister();
    return await openRtmr3(path, timeoutMs);
  } catch (error) {
    if (!(error instanceof CollectorError)) throw error;
    if (path === undefined) return error;
    throw new AttestationError("attester_unavailable", error.message, { cause: error });
  }
}

/**
 * The kernel's RTMR3 goes with its own quotes: under dstack it is the guest agent's.
 * @throws AttestationError `attester_unavailable` also where the register that was asked for is none of the attester's
 */
async function chooseWith(
  opened: readonly Opened[],
  register: MeasurementRegister | CollectorError | undefined,
  isAsked: boolean,
): Promise<{ attester: Attester; refusals: Refusal[] }> {
  const { attester, refusals } = await choose(opened, register !== undefined);
  const isItsOwn = attester.name === CONFIGFS_TSM && attester.type === "tdx";
  if (register === undefined || register instanceof CollectorError) {
    if (register && isItsOwn) refusals.push({ name: RTMR3, error: register });
    return { attester, refusals };
  }
  if (isItsOwn) return { attester: { ...attester, register }, refusals };
  await register.close();
  if (isAsked) {
    const message = `${attester.name} gives no quotes that show the measurement register asked for`;
    throw new AttestationError("attester_unavailable", message);
  }
  return { attester, refusals };
}

async function openOne(selected: Selected, options: AttesterOptions): Promise<Opened> {
  if (!selected.open) return { ...selected, simulated: true };
  try {
    return { ...selected, device: await selected.open({ ...options, path: selected.path }) };
  } catch (error) {
    if (!(error instanceof CollectorError)) throw error;
    return { ...selected, error };
  }
}

async function choose(
  opened: readonly Opened[],
  hasRegister: boolean,
): Promise<{ attester: Attester; refusals: Refusal[] }> {
  const refusals: Refusal[] = [];
  let attester: Attester | undefined;
  for (const each of opened) {
    if (attester) {
      if ("device" in each) await each.device.close();
    } else if ("simulated" in each) {
      if (refusals.some(({ error }) => error.code !== "interface_absent")) break;
      attester = createSimulatedAttester({ hasRegister });
    } else if ("error" in each) {
      refusals.push({ name: each.name, error: each.error });
    } else {
      try {
        attester = await tryDevice(each.name, each.type, each.device);
      } catch (error) {
        await each.device.close();
        if (!(error instanceof CollectorError)) throw error;
        refusals.push({ name: each.name, error });
      }
    }
  }
  if (attester) return { attester, refusals };
  const reasons = refusals.map(({ error }) => `${error.message} [${error.code}]`).join("; ");
  throw new AttestationError("attester_unavailable", `no attester: ${reasons}`, {
    cause: new AggregateError(refusals.map(({ error }) => error)),
  });
}

/** The first evidence shows that the interface works, and whose root it leads to. */
async function tryDevice(
  name: string,
  wanted: EvidenceType | undefined,
  device: QuoteDevice,
): Promise<Attester> {
  if (wanted !== undefined && device.type !== wanted) {
    throw new CollectorError(
      name,
      "interface_absent",
      `gives evidence of type ${device.type}, not ${wanted}`,
    );
  }
  const { quote } = await device.collect(new Uint8Array(64));
  const simulated = isSimulatedEvidence(device.type, quote);
  const collect = async (reportData: Uint8Array): Promise<Collected> => {
    if (reportData.length !== 64) throw new AttestationError("report_data_size", "report data has 64 bytes");
    const collected = await device.collect(reportData);
    // Hardware that turns into a simulation, or the other way round, is not what the keyset says.
    if (isSimulatedEvidence(device.type, collected.quote) !== simulated) {
      throw new CollectorError(name, "reply_malformed", "the evidence has changed its root");
    }
    return collected;
  };
  return {
    type: device.type,
    name,
    simulated,
    collect,
    quote: async (reportData) => (await collect(reportData)).quote,
    close: () => device.close(),
  };
}

/** How one interface answers to this process's user. */
export type Inspection =
  | { readonly name: string; readonly usable: true; readonly type: EvidenceType; readonly simulated: boolean }
  | { readonly name: string; readonly usable: false; readonly error: CollectorError };

/** Tries each of `auto`'s interfaces by itself, taking one piece of evidence from those that give it. */
export async function inspectInterfaces(options: AttesterOptions = {}): Promise<Inspection[]> {
  const found: Inspection[] = [];
  for (const selected of parseSelection("auto")) {
    const opened = await openOne(selected, options);
    const { name } = selected;
    if ("error" in opened) found.push({ name, usable: false, error: opened.error });
    else if ("device" in opened) found.push(await inspectDevice(name, opened.device));
  }
  return found;
}

async function inspectDevice(name: string, device: QuoteDevice): Promise<Inspection> {
  try {
    const { type, simulated } = await tryDevice(name, undefined, device);
    return { name, usable: true, type, simulated };
  } catch (error) {
    if (!(error instanceof CollectorError)) throw error;
    return { name, usable: false, error };
  } finally {
    await device.close();
  }
}
