/** An owner's key broker, to run or to put into another server. Node only. */
export { Broker, type BrokerOptions, type Decision, type ReleasePolicy } from "./broker.ts";
export { BrokerError, EvidenceRefusedError, type BrokerErrorCode } from "./error.ts";
export { startBroker, type BrokerServerOptions, type RunningBroker } from "./server.ts";
export {
  createBrokerState,
  openBrokerKeys,
  readReleasePolicy,
  resultKeyPem,
  revokeModel,
  writeReleasePolicy,
} from "./state.ts";
