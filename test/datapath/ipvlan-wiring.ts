// What the ipvlan tests ask for: pod1's eth0 as a slave of a node's ens3 with an address of each family.
import type { IpvlanSettings, Master, Wiring } from "../../src/datapath/datapath.ts";
import type { IpvlanMode } from "../../src/plan/plan.ts";
import { wiring } from "./wiring.ts";

export const master: Master = {
  name: "ens3",
  mac: "52:54:00:00:01:01",
  mtu: 1500,
  addresses: ["192.0.2.1", "198.51.100.1", "2001:db8::1", "2001:db8:1::1"],
};

export function settings(mode: IpvlanMode, changes: Partial<IpvlanSettings> = {}): IpvlanSettings {
  return { master, mode, flag: "bridge", ...changes };
}

/** With the master's MTU, unless `changes` says otherwise. */
export function inMode(mode: IpvlanMode, changes: Partial<Wiring> = {}): Wiring {
  return wiring({ mtu: master.mtu, ipvlan: settings(mode), ...changes });
}
