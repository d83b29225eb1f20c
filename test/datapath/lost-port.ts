// Run on a test node: makes what the ovs datapath plans of a pod, by veth, outside of Open vSwitch, and mends it after the host's
// forwarding was switched off ("forwarding"), or the pair lost while Open vSwitch is down ("pair"). Arguments: the pod's netns, which.
import assert from "node:assert";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { ovs } from "../../src/datapath/ovs.ts";
import { closeNetns, openNetns } from "../../src/linux/netns.ts";
import { apply } from "../../src/plan/apply.ts";
import { mend } from "../../src/plan/mend.ts";
import { isOvsObject } from "../../src/plan/ovs/lines.ts";
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
const [netns = "", harm] = process.argv.slice(2);
const pod = openNetns(netns);
const kernel = { searchPath: process.env["PATH"], deadline: AbortSignal.timeout(30_000), pod };
await apply(others, kernel, kernel);
if (harm === "forwarding") {
  fs.writeFileSync("/proc/sys/net/ipv4/ip_forward", "0");
  await mend(others, others, kernel);
} else {
  execFileSync("ip", ["-n", path.basename(netns), "link", "del", "eth0"]);
  const withPort = plan.filter((object) => object.kind === "ovs-port" || others.includes(object));
  await assert.rejects(mend(withPort, withPort, kernel), /down/);
}
closeNetns(pod);
