// Which pods of one node do not reach each other because they are wired differently, by their plans. The host routes
// between all pods but those of ipvlan, whose packets go by their master: see docs/datapaths.md.
import { firstIp, formatPrefix, type Prefix, parsePrefix, prefixContains } from "../address/ip.ts";
import type { Ipvlan, PodPlan } from "../plan/plan.ts";

/** Why two pods do not reach each other, or one of them not the other; undefined if they do. */
export function whyApart(one: PodPlan, other: PodPlan): string | undefined {
  const [slave, otherSlave] = [slaveOf(one), slaveOf(other)];
  if (slave?.master === otherSlave?.master) return undefined;
  return (
    (slave && whyNotOthers(slave, addressesOf(one), addressesOf(other))) ??
    (otherSlave && whyNotOthers(otherSlave, addressesOf(other), addressesOf(one)))
  );
}

/** What keeps a slave's pod from pods that are not on its master. */
function whyNotOthers(
  { master, mode, flag }: Ipvlan,
  own: readonly Prefix[],
  others: readonly Prefix[],
): string | undefined {
  const slaves = `ipvlan ${mode} pods on ${master}`;
  if (flag !== "bridge") return `flag ${flag} keeps ${slaves} apart from all other pods`;
  if (mode === "l2") {
    const segment = own.find((subnet) => others.some(({ ip }) => prefixContains(subnet, ip)));
    return segment && `${slaves} take others in ${subnetText(segment)} for neighbours, and do not find them`;
  }
  const hasIpv4 = (prefixes: readonly Prefix[]) => prefixes.some(({ ip }) => ip.family === 4);
  return hasIpv4(own) && hasIpv4(others)
    ? `${slaves} send what is for other IPv4 pods of the node out of ${master}, where it is lost`
    : undefined;
}

/** What the pod's interface is, if it is a slave. */
export function slaveOf(plan: PodPlan): Ipvlan | undefined {
  const types = plan.flatMap((object) =>
    object.kind === "link" && object.where === "pod" ? object.type : [],
  );
  return types.find((type) => type.kind === "ipvlan");
}

function addressesOf(plan: PodPlan): Prefix[] {
  return plan.flatMap((object) =>
    object.kind === "address" && object.where === "pod" ? (parsePrefix(object.address) ?? []) : [],
  );
}

function subnetText(prefix: Prefix): string {
  return formatPrefix({ ...prefix, ip: firstIp(prefix) });
}
