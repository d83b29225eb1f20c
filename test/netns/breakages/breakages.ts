// All that can be broken in a pod's network, by the datapath that wired it.
import { type DatapathName, shape } from "../../fixture/shape/shape.ts";
import { brokenRoutes } from "./addresses-and-routes.ts";
import type { Breakage } from "./breakage.ts";
import { brokenGateway, brokenMac } from "./gateway.ts";
import { brokenIpvlan } from "./ipvlan.ts";
import { brokenLinks } from "./links.ts";
import { brokenOvs } from "./ovs.ts";
import { brokenSettings } from "./settings-and-rules.ts";
import { brokenVeth } from "./veth.ts";

const own: Readonly<Record<DatapathName, readonly Breakage[]>> = {
  veth: brokenVeth,
  ipvlan: brokenIpvlan,
  ovs: brokenOvs,
};

export const breakages: readonly Breakage[] = [
  ...brokenLinks,
  ...(shape.hasOwnMac ? [brokenMac] : []),
  ...brokenRoutes,
  ...(shape.gateway === undefined ? [] : brokenGateway(shape.gateway)),
  ...brokenSettings,
  ...own[shape.name],
];
