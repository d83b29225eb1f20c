// Removes one attachment without a runtime: the call that a DEL of it would be is made up from its record
// or, if that is torn, from its network's conflist.
import type { Call } from "../attachment/call.ts";
import { repairSwitches } from "../attachment/ovs/stamp.ts";
import { unwireRecorded, unwireUnrecorded } from "../attachment/unwire.ts";
import { newestVersion } from "../cni/versions.ts";
import { parseNetwork } from "../config/load.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import { createLog } from "../log.ts";
import type { Attachment } from "./attachments.ts";
import type { Words } from "./command.ts";
import { listConfigurations, type Network, readConfiguration } from "./conflist.ts";

const timeoutMs = 60_000;

export async function removeAttachment(
  name: AttachmentName,
  attachment: Attachment | undefined,
  words: Words,
): Promise<void> {
  // In between a runtime's DEL may have done it.
  if (attachment === undefined) return;
  const call = callFor(name, words);
  await unwireRecorded(name, call, { busy: async () => "leave" });
  await repairSwitches(call);
}

/** Of what has no record. */
export async function removeTraces(name: AttachmentName, words: Words): Promise<void> {
  await unwireUnrecorded(name, callFor(name, words));
}

function callFor(name: AttachmentName, words: Words): Call {
  const binDir = words.text("bin-dir") ?? "";
  const { network, containerID, ifname } = name;
  const deadline = AbortSignal.timeout(timeoutMs);
  return {
    ...networkOf(network, words),
    version: newestVersion,
    environment: {
      verb: "DEL",
      containerID,
      ifname,
      netns: "",
      args: "",
      path: [binDir],
      variables: {
        ...process.env,
        CNI_COMMAND: "DEL",
        CNI_CONTAINERID: containerID,
        CNI_IFNAME: ifname,
        CNI_NETNS: "",
        CNI_ARGS: "",
        CNI_PATH: binDir,
      },
    },
    args: { ips: [] },
    deadline,
    undoDeadline: deadline,
    log: createLog({}, process.env["PODWIRE_LOG"], `gc ${network} ${containerID} ${ifname}`),
  };
}

/** Of all conflists that can be read. */
export function configuredNetworks(words: Words): Network[] {
  const confDir = words.text("conf-dir") ?? "";
  return listConfigurations(confDir).flatMap((file) => {
    try {
      return readConfiguration(confDir, file).networks;
    } catch {
      return [];
    }
  });
}

/** Without a conflist the address can only be in the default store. */
function networkOf(name: string, words: Words): Network {
  const network = configuredNetworks(words).find(({ config }) => config.name === name);
  if (network !== undefined) return network;
  const rawConfig = { cniVersion: newestVersion, name, type: "podwire", ipam: { type: "host-local" } };
  return { config: parseNetwork(rawConfig), rawConfig };
}
