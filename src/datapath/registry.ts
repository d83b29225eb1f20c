// The datapaths by their names in a conflist.
import type { Datapath } from "./datapath.ts";
import { ipvlan } from "./ipvlan.ts";
import { ovs } from "./ovs.ts";
import { veth } from "./veth.ts";

export const datapaths = { veth, ipvlan, ovs } satisfies Readonly<Record<string, Datapath>>;

export type DatapathName = keyof typeof datapaths;
