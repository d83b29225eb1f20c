// Finds out whether the link that ipvlan needs as a master can be one, and what plans must know of it.
import type { CniError } from "../cni/error.ts";
import { ipvlanOf, type NetworkConfig } from "../config/network.ts";
import type { IpvlanSettings } from "../datapath/datapath.ts";
import { requireMtu } from "../datapath/ipvlan.ts";
import { hostSlaveName } from "../datapath/names.ts";
import { ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { hostLinkExists } from "../linux/links.ts";
import { type ShownAddress, sourcesOf } from "../linux/shown-address.ts";
import { describeOverlay } from "../node/declared.ts";
import { readStamp } from "../node/stamp.ts";
import { leavesByUnderlay, requireMaster } from "../overlay/fit.ts";
import { masterUnusable } from "../plan/fault.ts";
import { describeIpvlan, type IpvlanData } from "../plan/observe.ts";
import { podUnderlay } from "./host-facts.ts";
import { recordsOfLivePods } from "./liveness.ts";

/** What `ip -json -details address show` tells of a link, as far as it counts here. */
interface ShownLink {
  readonly ifname: string;
  readonly address: string;
  readonly mtu: number;
  readonly link_type: string;
  readonly link?: string;
  /** The bridge or bond that it is a port of. */
  readonly master?: string;
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: IpvlanData };
  readonly addr_info?: readonly ShownAddress[];
}

/** Throws code 106 if this network cannot have an ipvlan master now. */
export async function ipvlanSettings(config: NetworkConfig, kernel: Kernel): Promise<IpvlanSettings> {
  const { mode, flag } = ipvlanOf(config);
  const underlay = overlayUnderlay(config);
  if (underlay !== undefined) requireMaster(config, underlay);
  const name = podUnderlay(config, underlay);
  if (name === undefined) {
    throw masterUnusable(
      "ipvlan.master is not given, and the host has no default route whose link could be it",
    );
  }
  const what = `ipvlan.master ${JSON.stringify(name)}`;
  if (!hostLinkExists(name)) throw masterUnusable(`${what}: the host has no such link`);
  const kinds = ["macvlan", "macvtap", ...slaveKinds];
  const questions = [`address show dev ${name}`, ...kinds.map((kind) => `link show type ${kind}`)];
  const [links, ...others] = await ipAsk("host", questions, kernel);
  const link = links?.[0] as unknown as ShownLink | undefined;
  if (link === undefined) throw masterUnusable(`${what}: the host has no such link`);
  const users = others.flatMap((answer) => (answer ?? []) as unknown as ShownLink[]);
  refuseUnfit(what, link);
  refuseOtherUsers(
    what,
    users.filter(({ link: on }) => on === name),
    { mode, flag },
  );
  refuseFormerMaster(what, name, users, { mode, flag });
  refuseOtherPods({ mode, flag, master: { name } });
  const { address: mac, mtu } = link;
  const master = { name, mac, mtu, addresses: sourcesOf(link.addr_info ?? []) };
  requireMtu(config.mtu ?? 0, master);
  return { mode, flag, master };
}

/** Of one driver, with one mode for all slaves of a master (drivers/net/ipvlan/ipvtap.c). */
const slaveKinds = ["ipvlan", "ipvtap"];

/** The link to the peers, where pods have to be on it and the configuration need not tell. */
function overlayUnderlay(config: NetworkConfig): string | undefined {
  if (!leavesByUnderlay(config)) return undefined;
  const stamp = readStamp(config.name);
  return stamp?.overlay === describeOverlay(config.overlay) ? stamp.underlay : undefined;
}

/** iproute2 writes the number (ARPHRD_ETHER) when it is asked for numbers. */
const ethernet = ["ether", "[1]"];

function refuseUnfit(what: string, { link_type, master, link, linkinfo }: ShownLink): void {
  if (!ethernet.includes(link_type))
    throw masterUnusable(`${what} is of type ${link_type}; expected an Ethernet link`);
  if (master !== undefined) {
    throw masterUnusable(`${what} is a port of ${master}; name ${master} itself, or a link that is free`);
  }
  if (linkinfo?.info_kind === "ipvlan") {
    throw masterUnusable(`${what} is itself a slave of ${link ?? "another link"}; name that one`);
  }
}

type Kind = Pick<IpvlanSettings, "mode" | "flag">;

/** The kernel would silently change the mode of all slaves that the master has. */
function refuseOtherUsers(what: string, users: readonly ShownLink[], wanted: Kind): void {
  for (const { ifname, linkinfo } of users) {
    if (!slaveKinds.includes(linkinfo?.info_kind ?? "")) {
      throw masterUnusable(
        `${what} has the ${linkinfo?.info_kind} link ${ifname}; a link can serve one of the two`,
      );
    }
    const { mode, flag } = describeIpvlan(linkinfo?.info_data);
    if (mode !== wanted.mode || flag !== wanted.flag)
      throw otherMode(what, `link ${ifname}`, { mode, flag }, wanted);
  }
}

/** The host's slave is known by its master's name: that link was renamed or taken away, and pods are on it still. */
function refuseFormerMaster(what: string, name: string, users: readonly ShownLink[], kind: Kind): void {
  const slave = users.find(({ ifname }) => ifname === hostSlaveName(name, kind.mode, kind.flag));
  if (slave === undefined || slave.link === name) return;
  throw masterUnusable(
    `${what}: the host's slave for it, ${slave.ifname}, is on ${slave.link ?? "a link of another netns"}, which had the ` +
      "name before. Delete the pods that are on that link first, or give it its name back",
  );
}

/** Throws code 106 if a pod of this node is on the same master in another mode, or about to be. */
export function refuseOtherPods({
  master: { name: master },
  ...wanted
}: Kind & { master: { name: string } }): void {
  // Slaves in pods cannot be seen from here; with the host's own slave in place they are of its mode.
  if (hostLinkExists(hostSlaveName(master, wanted.mode, wanted.flag))) return;
  const what = `ipvlan.master ${JSON.stringify(master)}`;
  for (const record of recordsOfLivePods()) {
    const types = record.plan.flatMap((object) => (object.kind === "link" ? object.type : []));
    const other = types.find(
      (type) =>
        type.kind === "ipvlan" &&
        type.master === master &&
        (type.mode !== wanted.mode || type.flag !== wanted.flag),
    );
    if (other?.kind === "ipvlan") throw otherMode(what, `container ${record.containerID}`, other, wanted);
  }
}

function otherMode(what: string, by: string, found: { mode: string; flag: string }, wanted: Kind): CniError {
  return masterUnusable(
    `${what} is in use in mode ${found.mode} ${found.flag} (${by}), and a master has one mode; expected ` +
      `${wanted.mode} ${wanted.flag}. Delete the pods of the other mode first, or use another master`,
  );
}
