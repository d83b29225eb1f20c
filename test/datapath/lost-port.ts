// Run on a test node: makes what the ovs datapath plans of a pod, by veth, outside of Open vSwitch, and mends it after the host's
// forwarding was switched off. The pod's netns is the argument.
import fs from "node:fs";
import { ovs } from "../../src/datapath/ovs.ts";
import { closeNetns, openNetns } from "../../src/linux/netns.ts";
import { apply } from "../../src/plan/apply.ts";
import { mend } from "../../src/plan/mend.ts";
import { isOvsObject } from "../../src/plan/ovs-lines.ts";
import { ipv4, ipv6, wiring } from "./wiring.ts";

const bridge = "podwire0";
const { plan } = ovs.wire(
  wiring({
    ips: [ipv4, ipv6],
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
    ovs: {
      at: { database: "unix:/run/openvswitch/db.sock", bridge },
      datapathType: "system",
      portType: "veth",
      isForeign: false,
      localMac: "ee:70:77:00:00:01",
      antiSpoofing: true,
      vlan: 0,
      trunk: [],
      labels: {},
    },
  }),
);
const others = plan.filter((object) => !isOvsObject(object) && !JSON.stringify(object).includes(bridge));
const pod = openNetns(process.argv[2] ?? "");
const kernel = { searchPath: process.env["PATH"], deadline: AbortSignal.timeout(30_000), pod };
await apply(others, kernel, kernel);
fs.writeFileSync("/proc/sys/net/ipv4/ip_forward", "0");
await mend(others, others, kernel);
closeNetns(pod);
