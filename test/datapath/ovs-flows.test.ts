// The flows that a pod's port has: what may come in by it, and how it is reached.
import { expect, test } from "vitest";
import { baseFlows, podFlows, trunkFlows } from "../../src/datapath/ovs-flows.ts";

const pod = {
  port: "pw1",
  mac: "0a:00:00:00:00:07",
  localMac: "02:00:00:00:00:01",
  ips: ["10.1.0.7"],
  mtu: 1450,
  vlan: 0,
  trunk: [],
  antiSpoofing: true,
  answersAll: false,
};
const gatewayMac = "ee:70:77:00:00:01";
const untagged = "vlan_tci=0x0000/0x1fff";

/** As one line, without answers' long lists of actions. */
function lines(flows: ReturnType<typeof podFlows>): string[] {
  return flows.map(({ table, priority, match, actions }) => {
    const known = actions.startsWith("move:") ? "answer" : actions;
    return `${table} ${priority} ${match} ${known}`;
  });
}

test("a pod may send from its own MAC and address alone, and gets what is for it", () => {
  expect(lines(podFlows(pod))).toEqual([
    `0 310 arp,in_port=pw1,${untagged},arp_tpa=10.1.0.7 drop`,
    `0 300 arp,in_port=pw1,${untagged},arp_op=1,arp_tpa=169.254.1.1 answer`,
    `0 200 ip,in_port=pw1,${untagged},dl_src=${pod.mac},nw_src=10.1.0.7 resubmit(,241)`,
    "0 190 in_port=pw1 drop",
    "243 10 ip,nw_src=10.1.0.7 drop",
    "243 10 arp,arp_spa=10.1.0.7 drop",
    `0 300 arp,in_port=LOCAL,${untagged},arp_tpa=10.1.0.7,arp_op=1 answer`,
    `0 180 ${untagged},dl_dst=${pod.mac} output:pw1`,
    `241 50 ${untagged},dl_dst=${pod.mac} output:pw1`,
    `241 60 ip,${untagged},nw_dst=10.1.0.7 check_pkt_larger(1464)->NXM_NX_REG0[0],set_field:${pod.mac}->eth_dst,resubmit(,244)`,
    `244 20 reg0=0x1/0x1,dl_dst=${pod.mac} set_field:${pod.localMac}->eth_dst,LOCAL`,
    `244 20 ip,nw_frag=yes,dl_dst=${pod.mac} set_field:${pod.localMac}->eth_dst,LOCAL`,
    `244 20 ipv6,nw_frag=yes,dl_dst=${pod.mac} set_field:${pod.localMac}->eth_dst,LOCAL`,
    `244 10 dl_dst=${pod.mac} set_field:${gatewayMac}->eth_src,output:pw1`,
  ]);
});

test("neighbour discovery goes to the one that has the address, and a pod speaks for itself alone", () => {
  const own = `icmp6,in_port=pw1,${untagged},dl_src=${pod.mac}`;
  const solicitation = `icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=${pod.mac}`;
  const toHost = `set_field:${pod.localMac}->eth_dst,LOCAL`;
  expect(lines(podFlows({ ...pod, ips: ["fd00::7"] }))).toEqual([
    `0 300 ${own},ipv6_src=fd00::7,${solicitation} ${toHost}`,
    `0 300 ${own},ipv6_src=fe80::800:ff:fe00:7,${solicitation} ${toHost}`,
    `0 300 ${own},ipv6_src=fd00::7,icmp_type=136,icmp_code=0,nd_target=fd00::7,nd_tll=${pod.mac} resubmit(,241)`,
    `0 300 ${own},ipv6_src=fd00::7,icmp_type=136,icmp_code=0,nd_target=fd00::7,nd_tll=00:00:00:00:00:00 resubmit(,241)`,
    `0 290 icmp6,in_port=pw1,${untagged},icmp_type=135 drop`,
    `0 290 icmp6,in_port=pw1,${untagged},icmp_type=136 drop`,
    `0 200 ipv6,in_port=pw1,${untagged},dl_src=${pod.mac},ipv6_src=fd00::7 resubmit(,241)`,
    "0 190 in_port=pw1 drop",
    "243 10 ipv6,ipv6_src=fd00::7 drop",
    "243 10 icmp6,icmp_type=136,icmp_code=0,nd_target=fd00::7 drop",
    `0 300 icmp6,in_port=LOCAL,${untagged},icmp_type=135,icmp_code=0,nd_target=fd00::7 output:pw1`,
    `0 180 ${untagged},dl_dst=${pod.mac} output:pw1`,
    `241 50 ${untagged},dl_dst=${pod.mac} output:pw1`,
    `241 60 ipv6,${untagged},ipv6_dst=fd00::7 check_pkt_larger(1464)->NXM_NX_REG0[0],set_field:${pod.mac}->eth_dst,resubmit(,244)`,
    `244 20 reg0=0x1/0x1,dl_dst=${pod.mac} ${toHost}`,
    `244 20 ip,nw_frag=yes,dl_dst=${pod.mac} ${toHost}`,
    `244 20 ipv6,nw_frag=yes,dl_dst=${pod.mac} ${toHost}`,
    `244 10 dl_dst=${pod.mac} set_field:${gatewayMac}->eth_src,output:pw1`,
  ]);
});

test("without anti-spoofing any source is admitted, but not as an answer to ARP", () => {
  const admitted = lines(podFlows({ ...pod, antiSpoofing: false })).filter((line) =>
    line.includes("resubmit(,241)"),
  );
  expect(admitted).toEqual([
    `0 200 ip,in_port=pw1,${untagged} resubmit(,241)`,
    `0 200 ipv6,in_port=pw1,${untagged} resubmit(,241)`,
  ]);
});

test.each([["10.1.0.7"], ["fd00::7"]])(
  "without anti-spoofing a pod with %s is no router all the same",
  (ip) => {
    expect(lines(podFlows({ ...pod, ips: [ip], antiSpoofing: false }))).toContain(
      `0 290 icmp6,in_port=pw1,${untagged},icmp_type=134 drop`,
    );
  },
);

test("in a VLAN what a pod sends is tagged, and only what has the tag is delivered to it", () => {
  const flows = lines(podFlows({ ...pod, vlan: 100 }));
  expect(flows).toContainEqual(
    expect.stringMatching(/ push_vlan:0x8100,set_field:4196->vlan_vid,resubmit\(,241\)$/),
  );
  // Open vSwitch refuses to take a tag off where the match does not say that there is one.
  const untagging = flows.filter((line) => line.includes("pop_vlan"));
  expect(untagging).toHaveLength(3);
  for (const flow of untagging) expect(flow).toMatch(/dl_vlan=100,.* pop_vlan,/);
  const untaggedFlows = flows.filter((line) => line.startsWith("244"));
  expect(untaggedFlows).toEqual([
    ...["reg0=0x1/0x1", "ip,nw_frag=yes", "ipv6,nw_frag=yes"].map(
      (match) =>
        `244 20 ${match},dl_dst=${pod.mac} push_vlan:0x8100,set_field:4196->vlan_vid,set_field:${pod.localMac}->eth_dst,LOCAL`,
    ),
    `244 10 dl_dst=${pod.mac} set_field:${gatewayMac}->eth_src,output:pw1`,
  ]);
});

test("tagged frames of a trunk are switched, from the pod's own MAC and no address of a pod of the bridge", () => {
  const flows = lines(podFlows({ ...pod, trunk: [200, 300] }));
  expect(flows.filter((line) => /dl_vlan|^243/.test(line))).toEqual([
    `0 250 in_port=pw1,dl_vlan=200,dl_src=${pod.mac} resubmit(,243)`,
    "243 1 in_port=pw1,dl_vlan=200 NORMAL",
    `0 250 in_port=pw1,dl_vlan=300,dl_src=${pod.mac} resubmit(,243)`,
    "243 1 in_port=pw1,dl_vlan=300 NORMAL",
    "243 10 ip,nw_src=10.1.0.7 drop",
    "243 10 arp,arp_spa=10.1.0.7 drop",
  ]);
});

test("without anti-spoofing tagged frames of a trunk are switched from any source", () => {
  const flows = lines(podFlows({ ...pod, trunk: [200], antiSpoofing: false }));
  expect(flows).toContain("0 250 in_port=pw1,dl_vlan=200 NORMAL");
});

test("tagged frames of a trunk that come from the host or an uplink are switched", () => {
  expect(lines(trunkFlows(200))).toEqual(["0 170 dl_vlan=200 NORMAL"]);
});

test("a pod with routes straight onto its link is told that the host has every address", () => {
  const [, asked] = lines(podFlows({ ...pod, answersAll: true }));
  expect(asked).toBe(`0 300 arp,in_port=pw1,${untagged},arp_op=1 answer`);
});

test("what is for no pod goes to the host, nothing is flooded, and no claim passes that only Linux can read", () => {
  expect(lines(baseFlows("02:00:00:00:00:01"))).toEqual([
    "0 65534 dl_vlan=4095 drop",
    "243 10 arp,arp_op=0 drop",
    "243 10 icmp6,icmp_type=136,icmp_code=0,nd_target=:: drop",
    "241 100 dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 drop",
    "241 1  set_field:02:00:00:00:00:01->eth_dst,LOCAL",
  ]);
});
