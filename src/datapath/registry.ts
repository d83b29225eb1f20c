// The datapaths by their names in a conflist.
import type { Datapath } from "./datapath.ts";
import { ipvlan } from "./ipvlan.ts";
import { veth } from "./veth.ts";

export const datapaths: Readonly<Record<string, Datapath>> = { veth, ipvlan };
