// The bridge that pods and the overlay share: both plan the same objects for it.
import { isSameBridge } from "../../linux/ovs/ovs.ts";
import type { BridgeName, Link, OvsBridge, OvsDatapathType, Plan } from "../plan.ts";

export interface BridgeInUse {
  readonly at: BridgeName;
  readonly datapathType: OvsDatapathType;
  /** Which row it had, when somebody looked: with another one it is another bridge. undefined: there was none. */
  readonly row?: string;
  /** Others made it, and may have the host's own uplink on it: its local port keeps its settings and addresses. */
  readonly isForeign: boolean;
  /** MAC of its local port. */
  readonly localMac: string;
}

export function bridgeObject({ at, datapathType, isForeign, localMac }: BridgeInUse): OvsBridge {
  const foreign = isForeign ? ({ foreign: true } as const) : {};
  return { kind: "ovs-bridge", where: "host", ...at, datapathType, mac: localMac, ...foreign };
}

/** The bridge's link of the host. `ipv6`: whether the kernel has it. */
export function localPort({ at, isForeign, localMac }: BridgeInUse, ipv6: boolean): Link {
  return {
    kind: "link",
    where: "host",
    shared: true,
    ...(isForeign ? {} : { noAutomaticAddress: ipv6 }),
    name: at.bridge,
    mac: localMac,
    type: { kind: "ovs", bridge: at },
  };
}

/** Whether the plan uses the bridge as one that others made. */
export function isOfOthers(plan: Plan, at: BridgeName): boolean {
  return plan.some((object) => object.kind === "ovs-bridge" && object.foreign && isSameBridge(object, at));
}
