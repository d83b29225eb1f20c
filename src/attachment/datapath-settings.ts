// What plans of the configured datapath depend on besides the call's wishes: found out before anything is changed, by
// ADD, STATUS and doctor alike. Throws if the datapath cannot be used now.
import type { Wiring } from "../datapath/datapath.ts";
import type { Kernel } from "../linux/kernel.ts";
import type { Call } from "./call.ts";
import { ipvlanSettings } from "./ipvlan-master.ts";
import { ovsSettings } from "./ovs/switch.ts";

export type DatapathSettings = Pick<Wiring, "ipvlan" | "ovs">;

export async function datapathSettings(
  { config, args }: Pick<Call, "config" | "args">,
  kernel: Kernel,
): Promise<DatapathSettings> {
  switch (config.datapath) {
    case "ipvlan":
      return { ipvlan: await ipvlanSettings(config, kernel) };
    case "ovs":
      return { ovs: { ...(await ovsSettings(config, kernel)), labels: labelsOf(args) } };
    default:
      return {};
  }
}

function labelsOf({ podName, podNamespace, ovnPort }: Call["args"]): Record<string, string> {
  return {
    ...(podName === undefined ? {} : { "pod-name": podName }),
    ...(podNamespace === undefined ? {} : { "pod-namespace": podNamespace }),
    // By this OVN binds the port to one of its logical ports.
    ...(ovnPort === undefined ? {} : { "iface-id": ovnPort }),
  };
}
