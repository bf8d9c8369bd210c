/** A log witness to run or to put into another server. Node only. */
export { WitnessError, type WitnessErrorCode } from "./error.ts";
export { openWitnessKey, witnessKey, type WitnessKey } from "./key.ts";
export { startWitness, type RunningWitness, type WitnessEvent, type WitnessServerOptions } from "./server.ts";
export { Witness, type WitnessAnswer, type WitnessOptions } from "./witness.ts";
