import { describe, expect, test } from "vitest";
import {
  bridgeWords,
  flowChange,
  flowKey,
  flowLines,
  parseFlow,
  portWords,
  removingFlowsLine,
} from "../../../src/plan/ovs/lines.ts";
import type { OvsPort } from "../../../src/plan/plan.ts";

const at = { where: "host", database: "unix:/run/openvswitch/db.sock", bridge: "podwire0" } as const;
const port: OvsPort = {
  kind: "ovs-port",
  ...at,
  name: "pw1",
  type: { kind: "system" },
  trunk: [],
  externalIds: {},
};

/** It is on in a bridge of others that has it, but for ports that say no. */
const noTree = ["other_config:rstp-enable=false", "other_config:stp-enable=false"];

test("a bridge is made to drop what no flow takes, with the gateway's MAC, and is marked as podwire's", () => {
  const mac = "ee:70:77:00:00:01";
  expect(bridgeWords({ kind: "ovs-bridge", ...at, datapathType: "netdev", mac })).toEqual([
    ["add-br", "podwire0"],
    [
      "set",
      "Bridge",
      "podwire0",
      "datapath_type=netdev",
      "fail_mode=secure",
      `other_config:hwaddr="${mac}"`,
      "external_ids:podwire=bridge",
    ],
    ["set", "Interface", "podwire0", "mtu_request=65000"],
  ]);
});

describe("a port", () => {
  test("of a veth pair is added as it is", () => {
    expect(portWords(port, "new")).toEqual([
      ["add-port", "podwire0", "pw1"],
      ["set", "Port", "pw1", "vlan_mode=trunk", "trunks=4095", ...noTree],
      ["set", "Interface", "pw1"],
    ]);
  });

  test("of a veth pair gets back what somebody may have changed", () => {
    expect(portWords(port, "any")).toEqual([
      ["--may-exist", "add-port", "podwire0", "pw1"],
      ["set", "Port", "pw1", "vlan_mode=trunk", "trunks=4095", "tag=[]", ...noTree],
      ["set", "Interface", "pw1", "type=system", "ingress_policing_rate=0", "ingress_policing_burst=0"],
    ]);
  });

  test("that Open vSwitch makes gets its MAC and MTU from it", () => {
    const type = { kind: "internal", mac: "0a:00:00:00:00:07", mtu: 1450 } as const;
    expect(portWords({ ...port, type }, "new")[2]).toEqual([
      "set",
      "Interface",
      "pw1",
      "type=internal",
      'mac="0a:00:00:00:00:07"',
      "mtu_request=1450",
    ]);
  });

  test("for tunnels has all of its options at once, so that none of before is left", () => {
    const type = { kind: "vxlan", port: 8472, local: "192.0.2.1", checksum: true, tos: 8 } as const;
    expect(portWords({ ...port, type }, "any")[2]).toEqual([
      "set",
      "Interface",
      "pw1",
      "type=vxlan",
      'options={csum="true",df_default="false",dst_port="8472",key="flow",local_ip="192.0.2.1",remote_ip="flow",tos="8"}',
      "ingress_policing_rate=0",
      "ingress_policing_burst=0",
    ]);
  });

  test("can have a trunk and a limit", () => {
    const words = portWords({ ...port, trunk: [200, 300], ingress: { rate: 10000, burst: 1000 } }, "new");
    expect(words[1]).toEqual(["set", "Port", "pw1", "vlan_mode=trunk", "trunks=200,300", ...noTree]);
    expect(words[2]?.slice(3)).toEqual(["ingress_policing_rate=10000", "ingress_policing_burst=1000"]);
  });

  test.each([
    ['quotes "', String.raw`"quotes \""`],
    ["a comma, a brace }", '"a comma, a brace }"'],
    [String.raw`back\slash`, String.raw`"back\\slash"`],
    ["-- del-br podwire0", '"-- del-br podwire0"'],
  ])("is labelled with %s as one string", (label, quoted) => {
    const [, , words] = portWords({ ...port, externalIds: { "pod-name": label } }, "new");
    expect(words?.[3]).toBe(`external_ids:pod-name=${quoted}`);
  });
});

test("flows replace all with their cookie", () => {
  const flow = { table: 241, priority: 1, match: "", actions: "drop" };
  const flows = [flow, { ...flow, priority: 60, match: "ip,nw_dst=10.1.0.7" }];
  expect(flowLines({ kind: "ovs-flows", ...at, cookie: "0x7077000000000001", flows })).toEqual([
    removingFlowsLine("0x7077000000000001"),
    "add cookie=0x7077000000000001,table=241,priority=1,actions=drop",
    "add cookie=0x7077000000000001,table=241,priority=60,ip,nw_dst=10.1.0.7,actions=drop",
  ]);
});

test("flows that are known change by what differs", () => {
  const flow = (match: string, actions = "drop") => ({ table: 241, priority: 60, match, actions });
  const present = [
    flow("ip,nw_dst=10.1.0.7"),
    flow("ip,nw_dst=10.1.0.8"),
    flow("ip,nw_dst=10.1.0.9"),
    flow(""),
  ];
  const flows = [flow("nw_dst=10.1.0.9,ip"), flow("ip,nw_dst=10.1.0.6"), flow("ip,nw_dst=10.1.0.8", "LOCAL")];
  const wanted = { kind: "ovs-flows", ...at, cookie: "0x7077000000000001", flows } as const;
  expect(flowChange(present, wanted).lines).toEqual([
    "delete_strict cookie=0x7077000000000001/-1,table=241,priority=60,ip,nw_dst=10.1.0.7",
    "delete_strict cookie=0x7077000000000001/-1,table=241,priority=60,ip,nw_dst=10.1.0.8",
    "delete_strict cookie=0x7077000000000001/-1,table=241,priority=60",
    "add cookie=0x7077000000000001,table=241,priority=60,ip,nw_dst=10.1.0.6,actions=drop",
    "add cookie=0x7077000000000001,table=241,priority=60,ip,nw_dst=10.1.0.8,actions=LOCAL",
  ]);
});

describe("a flow that Open vSwitch prints", () => {
  test.each([
    [
      " cookie=0x7077000000000001, table=241, priority=60,ip,nw_dst=10.1.0.7 actions=output:pw1",
      { table: 241, priority: 60, match: "nw_dst=10.1.0.7,ip", actions: "output:pw1" },
    ],
    [
      " cookie=0x7077000000000001, priority=190,in_port=pw1 actions=drop",
      { table: 0, priority: 190, match: "in_port=pw1", actions: "drop" },
    ],
    [
      " cookie=0x7077000000000001, table=241, priority=1 actions=set_field:02:00:00:00:00:01->eth_dst,LOCAL",
      { table: 241, priority: 1, match: "", actions: "set_field:02:00:00:00:00:01->eth_dst,LOCAL" },
    ],
    [
      " cookie=0x7077000000000001, table=5, actions=NORMAL",
      { table: 5, priority: 32768, match: "", actions: "NORMAL" },
    ],
  ])("is the same as the one that was made: %s", (line, made) => {
    const parsed = parseFlow(line);
    expect(parsed?.cookie).toBe("0x7077000000000001");
    expect(parsed && flowKey(parsed.flow)).toBe(flowKey(made));
  });

  test("is none where there is no cookie", () => {
    expect(parseFlow("OFPST_FLOW reply (OF1.5) (xid=0x2):")).toBeUndefined();
  });
});
