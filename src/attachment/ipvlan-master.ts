// Finds out whether the link that ipvlan needs as a master can be one, and what plans must know of it.
import { CniError, ErrorCode } from "../cni/error.ts";
import type { NetworkConfig } from "../config/network.ts";
import type { IpvlanSettings } from "../datapath/datapath.ts";
import { hostSlaveName } from "../datapath/names.ts";
import { ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { hostLinkExists } from "../linux/links.ts";
import { type IpvlanFlag, type IpvlanMode, ipvlanFlags, ipvlanModes } from "../plan/plan.ts";
import { podUnderlay } from "./host-facts.ts";

/** What `ip -json -details address show` tells of a link, as far as it counts here. */
interface ShownLink {
  readonly ifname: string;
  readonly address: string;
  readonly mtu: number;
  readonly link?: string;
  /** The bridge or bond that it is a port of. */
  readonly master?: string;
  readonly addr_info?: readonly { local: string; scope: string; deprecated?: boolean }[];
}

/** Throws code 106 if this network cannot have an ipvlan master now. */
export async function ipvlanSettings(config: NetworkConfig, kernel: Kernel): Promise<IpvlanSettings> {
  const mode = config.ipvlan?.mode ?? "l3s";
  const flag = config.ipvlan?.flag ?? "bridge";
  const name = podUnderlay(config);
  if (name === undefined) {
    throw unusable("ipvlan.master is not given, and the host has no default route whose link could be it");
  }
  const what = `ipvlan.master ${JSON.stringify(name)}`;
  if (!hostLinkExists(name)) throw unusable(`${what}: the host has no such link`);
  refuseOtherMode(what, name, mode, flag);
  const [links, macvlans] = await ipAsk(
    "host",
    [`address show dev ${name}`, "link show type macvlan"],
    kernel,
  );
  const link = links?.[0] as unknown as ShownLink | undefined;
  if (link === undefined) throw unusable(`${what}: the host has no such link`);
  if (link.master !== undefined) {
    throw unusable(`${what} is a port of ${link.master}; name ${link.master} itself, or a link that is free`);
  }
  const macvlan = (macvlans as unknown as ShownLink[] | undefined)?.find(({ link: on }) => on === name);
  if (macvlan !== undefined) {
    throw unusable(`${what} has the macvlan link ${macvlan.ifname}; a link can serve one of the two`);
  }
  const addresses = (link.addr_info ?? []).filter(({ scope }) => scope === "0");
  return {
    mode,
    flag,
    master: {
      name,
      mac: link.address,
      mtu: link.mtu,
      addresses: addresses.filter(({ deprecated }) => !deprecated).map(({ local }) => local),
    },
  };
}

/** The kernel would silently change the mode of all slaves that the master has. */
function refuseOtherMode(what: string, master: string, mode: IpvlanMode, flag: IpvlanFlag): void {
  for (const otherMode of ipvlanModes) {
    for (const otherFlag of ipvlanFlags) {
      const isOther = otherMode !== mode || otherFlag !== flag;
      const link = hostSlaveName(master, otherMode, otherFlag);
      if (isOther && hostLinkExists(link)) {
        throw unusable(
          `${what} is in use in mode ${otherMode} ${otherFlag} (link ${link}), and a master has one mode; ` +
            `expected ${mode} ${flag}. Delete the pods of the other mode first, or use another master`,
        );
      }
    }
  }
}

function unusable(details: string): CniError {
  return new CniError(ErrorCode.masterUnusable, "the ipvlan master cannot be used", details);
}
