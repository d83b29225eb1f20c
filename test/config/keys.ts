// Good and bad values for every key of the conflist entry, and configurations that have them.

export const base = { cniVersion: "1.1.0", name: "podnet", type: "podwire", ipam: { type: "host-local" } };
const peer = { node: "n2", address: "192.0.2.12", podCIDRs: ["10.244.2.0/24"] };
const vxlan = { type: "vxlan" };

const notTexts = [7, true, [], {}, null];
const notFlags = ["true", 0, 1, [], {}, null];
const notLists = [{}, "text", 7, true, null];
const notObjects = ["text", 7, true, null];
const notIps = ["", "10.0.0", "10.0.0.256", "10.0.0.1/24", "node2", "fe80::1%eth0", 7, null];
const notPrefixes = ["", "10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/08", "::ffff:10.0.0.0/24", 24, null];
/** Go writes what is empty as null: what runtimes put in may be it. */
const orNull = (...good: readonly unknown[]) => [...good, null];
const butNull = (bad: readonly unknown[]) => bad.filter((value) => value !== null);
const notLinks = ["", "a".repeat(16), "a/b", "a b", "-a", "a;b", "../x", "a\n", 7, null];
const numbersOutside = (least: number, most: number) => [
  least - 1,
  most + 1,
  least + 0.5,
  1e300,
  -1,
  `${least}`,
  null,
  [],
];

export interface Values {
  readonly good: readonly unknown[];
  readonly bad: readonly unknown[];
}

/** By the path of a key; what stands around it is filled in. */
export const keys: Record<string, Values> = {
  cniVersion: { good: ["1.1.0", "0.1.0", ""], bad: notTexts },
  name: {
    good: ["podnet", "a", "0-_.z", "x".repeat(112)],
    bad: [...notTexts, "", "a/b", "../x", "a b", "-a", "x".repeat(113), "a\n"],
  },
  type: { good: ["podwire"], bad: notTexts },
  datapath: { good: ["veth", "ipvlan", "ovs"], bad: ["", "Veth", "bridge", "constructor", ...notTexts] },
  mtu: { good: [0, 576, 1450, 9000, 65535], bad: [1, 575, 65536, -1, 1450.5, 1e300, "1450", null, [], true] },
  ipMasq: { good: [true, false], bad: notFlags },
  ipvlan: { good: [{}], bad: [...notObjects, []] },
  "ipvlan.master": { good: ["eth0", "eth0.100", "br-1@x"], bad: notLinks },
  "ipvlan.mode": { good: ["l2", "l3", "l3s"], bad: ["L2", "l4", "", ...notTexts] },
  ovs: { good: [{}], bad: [...notObjects, []] },
  "ovs.bridge": { good: ["podwire0"], bad: notLinks },
  "ovs.datapathType": { good: ["system", "netdev"], bad: ["", "dpdk", ...notTexts] },
  overlay: { good: [vxlan, { type: "none" }], bad: [...notObjects, []] },
  "overlay.type": {
    good: ["none", "host-gw", "vxlan", "geneve", "stt"],
    bad: ["", "VXLAN", "gre", ...notTexts],
  },
  "overlay.vni": { good: [1, 4096, 16777215], bad: numbersOutside(1, 16777215) },
  "overlay.port": { good: [1, 8472, 65535], bad: numbersOutside(1, 65535) },
  "overlay.tos": { good: [0, 4, 252], bad: [...numbersOutside(0, 252), 1, 3, 250] },
  "overlay.output": { good: ["full", "notrack", "none"], bad: ["", "Full", "off", ...notTexts] },
  "overlay.underlay": { good: ["eth0"], bad: notLinks },
  "overlay.directRouting": { good: [true, false], bad: notFlags },
  "overlay.peers": { good: [[], [peer], [peer, peer]], bad: notLists },
  "overlay.peers.0": { good: [peer], bad: [...notObjects, [], {}] },
  "overlay.peers.0.node": { good: ["n2"], bad: notTexts },
  "overlay.peers.0.address": { good: ["192.0.2.12", "2001:db8::2"], bad: notIps },
  "overlay.peers.0.podCIDRs": { good: [[], ["10.0.0.0/8", "fd00::/64"]], bad: notLists },
  "overlay.peers.0.podCIDRs.0": { good: ["10.244.2.0/24", "0.0.0.0/0", "::/0"], bad: notPrefixes },
  bypass: { good: [{}, { mode: "auto" }], bad: [...notObjects, []] },
  "bypass.mode": { good: ["off", "auto", "on"], bad: ["", "On", "bypass", ...notTexts] },
  "bypass.pods": { good: [[], ["10.244.0.0/16", "fd00::/48"]], bad: notLists },
  "bypass.pods.0": { good: ["10.244.0.0/16"], bad: notPrefixes },
  "bypass.exclude": { good: [[], ["10.244.1.7/32"]], bad: notLists },
  "bypass.exclude.0": { good: ["10.244.1.7/32"], bad: notPrefixes },
  "bypass.lease": { good: [0, 5, 28800], bad: [4, 28801, -1, 7.5, "60", null, []] },
  log: { good: [{}], bad: [...notObjects, []] },
  "log.level": { good: ["error", "warn", "info", "debug"], bad: ["", "WARN", "trace", ...notTexts] },
  "log.file": { good: ["/var/log/podwire.log"], bad: ["", "podwire.log", "./x", "~/x", ...notTexts] },
  timeout: { good: [1, 60, 3600], bad: numbersOutside(1, 3600) },
  ipam: { good: [{ type: "dhcp", anything: [{}] }], bad: [...notObjects, [], {}] },
  "ipam.type": {
    good: ["host-local", "my.ipam_2"],
    bad: ["", "../host-local", "a/b", "a b", "-x", "/bin/sh", ".", "..", ...notTexts],
  },
  dns: { good: [{}], bad: [...notObjects, []] },
  "dns.nameservers": { good: [[], ["10.96.0.10", "fd00::a"]], bad: notLists },
  "dns.nameservers.0": { good: ["10.96.0.10"], bad: notIps },
  "dns.domain": { good: ["cluster.local", ""], bad: notTexts },
  "dns.search": { good: [[], ["svc.cluster.local"]], bad: notLists },
  "dns.search.0": { good: ["svc.cluster.local"], bad: notTexts },
  "dns.options": { good: [["ndots:5"]], bad: notLists },
  "dns.options.0": { good: ["ndots:5"], bad: notTexts },
  capabilities: { good: [{}, { ips: true, mac: false, other: true }], bad: [...notObjects, []] },
  "capabilities.ips": { good: [true, false], bad: notFlags },
  args: { good: [{}, { cni: {} }, { "org.example": { labels: [] } }], bad: [...notObjects, []] },
  "args.cni": { good: [{}, { labels: [{ key: "a" }] }], bad: [...notObjects, []] },
  "args.cni.ips": { good: [[], ["10.1.2.3"]], bad: notLists },
  "args.cni.ips.0": { good: ["10.1.2.3"], bad: notTexts },
  runtimeConfig: {
    good: orNull({}, { portMappings: [{ hostPort: 80 }], bandwidth: {} }),
    bad: butNull([...notObjects, []]),
  },
  "runtimeConfig.ips": { good: orNull([], ["10.1.2.3/24"]), bad: butNull(notLists) },
  "runtimeConfig.ips.0": { good: ["10.1.2.3"], bad: notTexts },
  "runtimeConfig.mac": {
    good: orNull("", "0a:58:0a:f4:01:07"),
    bad: ["ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "0a-58-0a-f4-01-07", "x", ...butNull(notTexts)],
  },
  "runtimeConfig.ipRanges": {
    good: orNull([], [[{ subnet: "10.1.2.0/24", rangeStart: "10.1.2.9" }]]),
    bad: butNull(notLists),
  },
  "runtimeConfig.ipRanges.0": { good: [[]], bad: notLists },
  "runtimeConfig.ipRanges.0.0": { good: [{ subnet: "10.1.2.0/24" }], bad: [...notObjects, {}] },
  "runtimeConfig.ipRanges.0.0.subnet": { good: ["10.1.2.0/24"], bad: notPrefixes },
  "runtimeConfig.dns": { good: orNull({}, { anything: 1 }), bad: butNull([...notObjects, []]) },
  "runtimeConfig.dns.servers": { good: orNull(["10.96.0.10"]), bad: butNull(notLists) },
  "runtimeConfig.dns.servers.0": { good: ["10.96.0.10"], bad: notIps },
  "runtimeConfig.dns.searches": { good: orNull(["cluster.local"]), bad: butNull(notLists) },
  "runtimeConfig.dns.searches.0": { good: ["cluster.local"], bad: notTexts },
  "runtimeConfig.dns.options": { good: orNull(["ndots:5"]), bad: butNull(notLists) },
  "runtimeConfig.dns.options.0": { good: ["ndots:5"], bad: notTexts },
  prevResult: { good: [{}, null, { ips: "judged by its version" }], bad: [] },
  disableCheck: { good: [true, false], bad: notFlags },
  ...attachmentKeys("cni.dev/valid-attachments"),
  ...attachmentKeys("cni.dev/attachments"),
};

/** The "." of cni.dev is no step of the path. */
function attachmentKeys(key: string): Record<string, Values> {
  const attachment = { containerID: "pod1", ifname: "eth0" };
  return {
    [key]: { good: orNull([], [attachment], [{ ...attachment, more: 1 }]), bad: butNull(notLists) },
    [`${key}.0`]: { good: [attachment], bad: [...notObjects, [], {}, { containerID: "pod1" }] },
    [`${key}.0.containerID`]: { good: ["pod1"], bad: notTexts },
    [`${key}.0.ifname`]: { good: ["eth0"], bad: notTexts },
  };
}

type Tree = Record<string, unknown>;

/** What must stand next to a key for the rest to be right. */
const neighbours: Tree = {
  "overlay.": vxlan,
  "overlay.peers.0.": peer,
  "ipam.": base.ipam,
  "runtimeConfig.ipRanges.0.0.": { subnet: "10.1.2.0/24" },
  "cni.dev/valid-attachments.0.": { containerID: "pod1", ifname: "eth0" },
  "cni.dev/attachments.0.": { containerID: "pod1", ifname: "eth0" },
};

export const steps = (path: string) =>
  path
    .replace("cni.dev", "cni\0dev")
    .split(".")
    .map((step) => step.replace("\0", "."));

export function configWith(path: string, value: unknown): Tree {
  const place = (at: string, rest: readonly string[]): unknown => {
    const [step, ...deeper] = rest;
    if (step === undefined) return value;
    const inner = place(`${at}${step}.`, deeper);
    return step === "0"
      ? [inner]
      : { ...((at === "" ? base : neighbours[at]) as Tree | undefined), [step]: inner };
  };
  return place("", steps(path)) as Tree;
}
