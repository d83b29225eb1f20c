// Removes one attachment without a runtime: the call that a DEL of it would be is made up from its record
// or, if that is torn, from its network's conflist.
import type { Call } from "../attachment/call.ts";
import { repairSwitches } from "../attachment/switch-stamp.ts";
import { unwireRecorded } from "../attachment/unwire.ts";
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

function callFor(name: AttachmentName, words: Words): Call {
  const binDir = words.text("bin-dir") ?? "";
  const { network, containerID, ifname } = name;
  const deadline = AbortSignal.timeout(timeoutMs);
  return {
    ...networkOf(network, words.text("conf-dir") ?? ""),
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

/** Without a conflist the address can only be in the default store. */
function networkOf(name: string, confDir: string): Network {
  const found = listConfigurations(confDir).flatMap((file) => {
    try {
      return readConfiguration(confDir, file).networks.filter(({ config }) => config.name === name);
    } catch {
      return [];
    }
  });
  const [network] = found;
  if (network !== undefined) return network;
  const rawConfig = { cniVersion: newestVersion, name, type: "podwire", ipam: { type: "host-local" } };
  return { config: parseNetwork(rawConfig), rawConfig };
}
