// What an overlay has in Open vSwitch comes back after a change that failed, whatever of it was changed. In userspace, which every kernel has.
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startNode, type TestNode } from "../../fixture/node.ts";
import { hasOpenVswitch, startOpenVswitch } from "../../fixture/open-vswitch.ts";

const made = `
  ovs-vsctl add-br podwire0 -- set Bridge podwire0 datapath_type=netdev fail_mode=secure
  ovs-vsctl add-port podwire0 pw-tunnel -- set Port pw-tunnel vlan_mode=trunk trunks=4095 -- set Interface pw-tunnel type=vxlan \\
    options='{csum="true",df_default="false",dst_port="4789",key="flow",local_ip="192.0.2.1",remote_ip="flow",tos="8"}' \\
    external_ids:podwire=overlay
  ovs-vsctl add-port podwire0 pw-vxlan -- set Port pw-vxlan vlan_mode=trunk trunks=4095 -- set Interface pw-vxlan type=internal \\
    mac='"0a:70:c0:00:02:01"' mtu_request=1450 external_ids:podwire=overlay
  ovs-ofctl -O OpenFlow13 add-flow podwire0 'cookie=0x7077000000000001,table=0,priority=190,in_port=pw-tunnel,actions=drop'
  ovs-ofctl -O OpenFlow13 add-flow podwire0 'cookie=0x7077000000000001,table=242,priority=1,actions=output:pw-tunnel'
  ovs-ofctl -O OpenFlow13 add-flow podwire0 'cookie=0x7077000000000000,table=0,priority=1,actions=drop'`;

const shown = `
  ovs-vsctl --columns=name,type,options,mac,mtu_request,external_ids list Interface pw-tunnel pw-vxlan
  ovs-vsctl --columns=name,tag,trunks,vlan_mode list Port pw-tunnel pw-vxlan
  ovs-vsctl list-ports podwire0
  ovs-ofctl -O OpenFlow13 --no-stats --names dump-flows podwire0 | sort`;

describe.skipIf(!hasOpenVswitch)("an overlay of Open vSwitch comes back", () => {
  let node: TestNode;
  beforeEach(async () => {
    node = await startNode();
    await startOpenVswitch(node);
    await node.run("sh", "-ec", made);
  });
  afterEach(async () => node.stop());

  test.each([
    [
      "after one of another type that could not be had",
      `ovs-vsctl del-port pw-vxlan
      ovs-vsctl set Interface pw-tunnel type=geneve options='{dst_port="6081",key="flow",remote_ip="flow"}'
      ovs-vsctl add-port podwire0 pw-geneve -- set Interface pw-geneve type=internal external_ids:podwire=overlay`,
    ],
    [
      "after all of it was taken away",
      `ovs-ofctl -O OpenFlow13 del-flows podwire0 cookie=0x7077000000000001/-1
      ovs-vsctl del-port pw-vxlan -- del-port pw-tunnel`,
    ],
    [
      "from another bridge",
      `ovs-vsctl add-br other -- set Bridge other datapath_type=netdev
      ovs-vsctl del-port pw-vxlan -- add-port other pw-vxlan -- set Interface pw-vxlan type=internal external_ids:podwire=overlay`,
    ],
    ["where nothing was changed", "true"],
  ])("%s", async (_, harm) => {
    const before = await node.run("sh", "-ec", shown);
    const script = path.join(import.meta.dirname, "former-node.ts");
    const links = JSON.parse(await node.run(process.execPath, script, harm));
    expect(links).toMatchObject([{ name: "pw-vxlan", mac: "0a:70:c0:00:02:01", mtu: 1450 }]);
    expect(await node.run("sh", "-ec", shown)).toBe(before);
  });
});
