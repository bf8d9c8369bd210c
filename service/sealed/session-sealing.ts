/** The HPKE keys of the session in use. */
import { parseKeyset } from "../../receipts/index.ts";
import { hpkeKeysOf, type HpkeKey } from "../../sealing/index.ts";
import type { Sealing } from "./sealing.ts";
import type { SessionHolder } from "../session.ts";

export function sessionSealing(sessions: SessionHolder): Sealing {
  let read: { text: string; keys: HpkeKey[] } | undefined;
  return {
    keys() {
      const { text } = sessions.current().keyset;
      // Every sealed request asks; to read a keyset costs more than to open a request.
      if (read?.text !== text) read = { text, keys: hpkeKeysOf(parseKeyset(text).encryptionKeys) };
      return read.keys;
    },
    exportKeys: (head) => sessions.current().vault.exportRequestKeys(head),
  };
}
