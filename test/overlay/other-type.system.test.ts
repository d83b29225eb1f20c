// A node's overlay becomes one of another type: peers' routes get another link, in both families, by `podwire apply` and by
// --watch. The kernel refuses to replace an IPv6 route whose new next hop it finds by the old one.
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  addPod,
  type Cluster,
  type ClusterNode,
  type ClusterPod,
  declare,
  ping,
  startCluster,
} from "./cluster.ts";
import { eventually, watch } from "./watching.ts";

let cluster: Cluster;
let nodes: [ClusterNode, ClusterNode];
let pods: [ClusterPod, ClusterPod];
const overlayOf = (settings: object) => ({
  ...settings,
  peers: cluster.nodes.map(({ peer, address6 }) => ({ ...peer, address6 })),
});

beforeAll(async () => {
  cluster = await startCluster(2);
  nodes = cluster.nodes as unknown as typeof nodes;
  const overlay = overlayOf({ type: "host-gw" });
  for (const node of nodes) declare(node, overlay);
  pods = (await Promise.all(nodes.map((node) => addPod(node, overlay)))) as typeof pods;
});
afterAll(async () => cluster.stop());

async function reachByBothFamilies(): Promise<void> {
  await ping(pods[0], pods[1].ipv4);
  await ping(pods[1], pods[0].ipv6);
}

/** Links of the routes to the other node's pods. */
async function linksOf(node: ClusterNode): Promise<string[]> {
  const shown = await node.run(
    "sh",
    "-c",
    "ip route show type unicast proto 120; ip -6 route show type unicast proto 120",
  );
  return [...shown.matchAll(/ dev ([^ ]+)/g)].map(([, link = ""]) => link);
}

const direct = { type: "vxlan", directRouting: true };

test.each([
  [{ type: "host-gw" }, "eth0"],
  [{ type: "vxlan" }, "pw-vxlan"],
  [{ type: "host-gw" }, "eth0"],
  [{ type: "vxlan" }, "pw-vxlan"],
  [direct, "eth0"],
  [{ type: "vxlan" }, "pw-vxlan"],
])("podwire apply makes of what there was %j", async (settings, link) => {
  for (const node of nodes) {
    declare(node, overlayOf(settings));
    const { exitCode, stderr } = await node.podwire("apply");
    expect(exitCode, stderr).toBe(0);
    expect(await linksOf(node)).toEqual([link, link]);
  }
  await reachByBothFamilies();
});

test("--watch follows", async () => {
  const watchings = await Promise.all(nodes.map((node) => watch(node)));
  const said = () => watchings.map((watching) => watching.said()).join("");
  try {
    for (const [settings, link] of [
      [direct, "eth0"],
      [{ type: "vxlan" }, "pw-vxlan"],
      [{ type: "host-gw" }, "eth0"],
      [{ type: "vxlan" }, "pw-vxlan"],
    ] as const) {
      for (const node of nodes) declare(node, overlayOf(settings));
      for (const node of nodes) {
        await eventually(async () => expect(await linksOf(node), said()).toEqual([link, link]));
      }
      await eventually(reachByBothFamilies);
    }
    expect(said()).not.toMatch(/cannot be applied/);
  } finally {
    await Promise.all(watchings.map((watching) => watching.stop()));
  }
});
