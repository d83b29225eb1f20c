// Breakages of what only the ovs datapath has: flows, ports and the bridge that all pods share.
import { type Breakage, ipv4, ipv6, restoreHost } from "./breakage.ts";
import { brokenSetting } from "./settings-and-rules.ts";

const own = "cookie=0x7077000000000000/0xffff000000000000";
const ofctl = "ovs-ofctl -O OpenFlow13";
const save = `${ofctl} --names --no-stats dump-flows LINK > /run/flows`;
/** OpenFlow 1.3 has no names for its own fields: what was dumped is given back as it was. */
const restoreFlows = `${ofctl} --names replace-flows LINK /run/flows`;
const port = "$(ovs-vsctl list-ports LINK | head -1)";

export const brokenOvs: Breakage[] = [
  {
    what: "all flows",
    where: "host",
    break: `${save}; ${ofctl} del-flows LINK`,
    restore: restoreFlows,
    words: ["flows 0x7077", "of bridge LINK"],
  },
  {
    what: "the flow that hands packets to the pod",
    where: "host",
    break: `${save}; ${ofctl} del-flows LINK ip,nw_dst=${ipv4}`,
    restore: restoreFlows,
    words: ["flows 0x7077", `nw_dst=${ipv4}`],
  },
  {
    what: "the flow that lets the pod send IPv6",
    where: "host",
    break: `${save}; ${ofctl} del-flows LINK ipv6,ipv6_src=${ipv6}`,
    restore: restoreFlows,
    words: ["flows 0x7077", `ipv6_src=${ipv6}`],
  },
  {
    what: "what a flow does",
    where: "host",
    break: `${save}; ${ofctl} mod-flows LINK table=241,ip,nw_dst=${ipv4},actions=drop`,
    restore: restoreFlows,
    words: ["flows 0x7077", `nw_dst=${ipv4}`, "drop"],
  },
  {
    what: "a foreign flow among podwire's",
    where: "host",
    break:
      `${save}; cookie=$(${ofctl} dump-flows LINK ${own} | grep -o 'cookie=[^,]*' | sort -u | tail -1); ` +
      `${ofctl} add-flow LINK "$cookie,table=0,priority=400,ip,nw_dst=10.9.9.9,actions=drop"`,
    restore: restoreFlows,
    words: ["flows 0x7077", "10.9.9.9"],
  },
  {
    what: "the VLAN of the pod's port",
    where: "host",
    break: `ovs-vsctl set Port ${port} tag=7`,
    restore: `ovs-vsctl clear Port ${port} tag`,
    words: ["port pw", "tag 7"],
  },
  {
    what: "the loss of the pod's port",
    where: "host",
    break: `ovs-vsctl del-port LINK ${port}`,
    words: ["port pw", "no such port"],
  },
  {
    what: "the loss of the bridge",
    where: "host",
    break: "ovs-vsctl del-br LINK",
    words: ["bridge LINK of Open vSwitch", "no such bridge"],
  },
  {
    what: "another MAC of the bridge, which Open vSwitch does not leave so",
    where: "host",
    break: "ip link set LINK address ee:70:77:00:00:02; sleep 0.2",
    restore: `ip link set LINK address ee:70:77:00:00:01; ${restoreHost}`,
    words: ["LINK"],
  },
  ...[ipv4, ipv6].map(
    (address): Breakage => ({
      what: `the host's neighbour entry of ${address}`,
      where: "host",
      break: `ip neigh del ${address} dev LINK`,
      restore: restoreHost,
      words: [`neighbour ${address}`, "MAC", "nothing"],
    }),
  ),
  brokenSetting("host", "net/ipv6/conf/LINK/accept_ra", "0", "1"),
  {
    what: "the nftables rules for what answers past the host",
    where: "host",
    break: "nft list table inet podwire > /run/table; nft flush chain inet podwire hairpin-podnet",
    restore: "nft delete table inet podwire; nft -f /run/table",
    words: ["masquerading", "shortcuts"],
  },
  {
    what: "the link in the set of those that answer past the host",
    where: "host",
    break: "nft delete element inet podwire shortcuts-podnet '{ LINK }'",
    restore: "nft add element inet podwire shortcuts-podnet '{ LINK }'",
    words: ["masquerading", "LINK in the set of shortcuts"],
  },
];
