/** The commands, by name. */
import type { Command } from "../command.ts";
import { adminKeyCreate, adminKeygen, adminKeyList, adminKeyRevoke } from "./admin-key.ts";
import { adminLog } from "./admin-log.ts";
import { adminModelAlias, adminModelAllow, adminModelDeny, adminModelDeprecate } from "./admin-model.ts";
import {
  adminTenantCreate,
  adminTenantLimits,
  adminTenantList,
  adminTenantResume,
  adminTenantSuspend,
  adminTenantUsage,
} from "./admin-tenant.ts";
import { appraise } from "./appraise.ts";
import { benchModel } from "./bench-model.ts";
import { chainAdapters } from "./chain-adapters.ts";
import { chainAnchor } from "./chain-anchor.ts";
import { chainCircuit } from "./chain-circuit.ts";
import { chainDeploy } from "./chain-deploy.ts";
import { chainOpen } from "./chain-open.ts";
import { chainRegister } from "./chain-register.ts";
import { chainRequest } from "./chain-request.ts";
import { chainVerify } from "./chain-verify.ts";
import { chainWatch } from "./chain-watch.ts";
import { circuitBind, circuitCheck, circuitList, circuitShow } from "./circuit.ts";
import { circuitBuild } from "./circuit-build.ts";
import { brokerAllow, brokerInit, brokerRevoke, brokerServe } from "./broker.ts";
import { discloseCommand } from "./disclose.ts";
import { doctor } from "./doctor.ts";
import { endorsementsBundle, endorsementsFetch, endorsementsShow } from "./endorsements.ts";
import { exportCommand } from "./export.ts";
import { infer } from "./infer.ts";
import { jobsCancel, jobsList, jobsRetry, jobsShow } from "./jobs.ts";
import { keysCreate, keysList, keysRevoke } from "./keys.ts";
import { ledgerAccount } from "./ledger-account.ts";
import { ledgerAudit } from "./ledger-audit.ts";
import { ledgerKeygen } from "./ledger-keygen.ts";
import { ledgerPrices } from "./ledger-prices.ts";
import { modelsAdd, modelsList } from "./models.ts";
import { modelsBom, modelsShow } from "./models-show.ts";
import { modelsSeal } from "./models-seal.ts";
import { modelsAccess, modelsRemove, modelsUpload } from "./models-upload.ts";
import { modelsKeygen, modelsSign, modelsVerify } from "./models-sign.ts";
import { monitor } from "./monitor.ts";
import { prove } from "./prove.ts";
import { sealingKeysList, sealingKeysRotate } from "./sealing-keys.ts";
import { setupProofs } from "./setup.ts";
import { tls } from "./tls.ts";
import { vaultPolicyShow, vaultPolicySign, vaultPolicySubmit } from "./vault-policy.ts";
import { verify } from "./verify.ts";
import { withAudits } from "./verify-audit.ts";
import { worker } from "./worker.ts";
import { witnessServe } from "./witness.ts";

export const COMMANDS: Record<string, Command> = {
  infer,
  prove,
  verify: withAudits(verify),
  disclose: discloseCommand,
  export: exportCommand,
  appraise,
  tls,
  doctor,
  "bench-model": benchModel,
  "endorsements fetch": endorsementsFetch,
  "endorsements bundle": endorsementsBundle,
  "endorsements show": endorsementsShow,
  "ledger keygen": ledgerKeygen,
  "ledger account": ledgerAccount,
  "ledger audit": ledgerAudit,
  "ledger prices": ledgerPrices,
  monitor,
  "witness serve": witnessServe,
  "keys create": keysCreate,
  "keys list": keysList,
  "keys revoke": keysRevoke,
  "admin keygen": adminKeygen,
  "admin tenant create": adminTenantCreate,
  "admin tenant list": adminTenantList,
  "admin tenant limits": adminTenantLimits,
  "admin tenant suspend": adminTenantSuspend,
  "admin tenant resume": adminTenantResume,
  "admin tenant usage": adminTenantUsage,
  "admin key create": adminKeyCreate,
  "admin key list": adminKeyList,
  "admin key revoke": adminKeyRevoke,
  "admin model allow": adminModelAllow,
  "admin model deny": adminModelDeny,
  "admin model alias": adminModelAlias,
  "admin model deprecate": adminModelDeprecate,
  "admin log": adminLog,
  worker,
  "jobs list": jobsList,
  "jobs show": jobsShow,
  "jobs retry": jobsRetry,
  "jobs cancel": jobsCancel,
  "chain deploy": chainDeploy,
  "chain register": chainRegister,
  "chain circuit": chainCircuit,
  "chain adapters": chainAdapters,
  "chain anchor": chainAnchor,
  "chain verify": chainVerify,
  "chain request": chainRequest,
  "chain open": chainOpen,
  "chain watch": chainWatch,
  "models list": modelsList,
  "models show": modelsShow,
  "models bom": modelsBom,
  "models access": modelsAccess,
  "models add": modelsAdd,
  "models keygen": modelsKeygen,
  "models seal": modelsSeal,
  "broker init": brokerInit,
  "broker allow": brokerAllow,
  "broker revoke": brokerRevoke,
  "broker serve": brokerServe,
  "models remove": modelsRemove,
  "models sign": modelsSign,
  "models upload": modelsUpload,
  "models verify": modelsVerify,
  "circuit build": circuitBuild,
  "circuit bind": circuitBind,
  "circuit check": circuitCheck,
  "circuit list": circuitList,
  "circuit show": circuitShow,
  "sealing-keys list": sealingKeysList,
  "sealing-keys rotate": sealingKeysRotate,
  "vault-policy show": vaultPolicyShow,
  "vault-policy sign": vaultPolicySign,
  "vault-policy submit": vaultPolicySubmit,
  "setup proofs": setupProofs,
};
