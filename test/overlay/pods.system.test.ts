// What pods make of an overlay: packets that are too large for it, many at once on a new node, several networks.
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  addPod,
  type Cluster,
  type ClusterNode,
  declare,
  ping,
  podPrefixes,
  startCluster,
  transfer,
} from "./cluster.ts";

let cluster: Cluster;
let node: ClusterNode;
let other: ClusterNode;
beforeEach(async () => {
  cluster = await startCluster(2);
  [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
});
afterEach(async () => cluster.stop());

const overlay = () => ({ type: "vxlan", peers: [node.peer, other.peer] });

test("packets that are too large for the tunnel are answered with its MTU, and transfers go on", async () => {
  const one = await addPod(node, overlay(), "one", { mtu: 1500 });
  const two = await addPod(other, overlay(), "two", { mtu: 1500 });
  for (const [address, size] of [
    [two.ipv4, 1472],
    [two.ipv6, 1452],
  ] as const) {
    const said = await one.run("sh", "-c", `ping -n -c 2 -W 2 -M do -s ${size} ${address} 2>&1 || true`);
    expect(said).toMatch(/mtu ?= ?1450/);
  }
  for (const family of [4, 6] as const) {
    expect(await transfer(one, two, family, 32)).toBe(32);
    expect(await transfer(two, one, family, 32)).toBe(32);
  }
});

test("many pods at once on a new node apply its overlay together", async () => {
  const names = Array.from({ length: 8 }, (_, index) => `pod${index}`);
  const [pods, away] = await Promise.all([
    Promise.all(names.map((name) => addPod(node, overlay(), name))),
    addPod(other, overlay()),
  ]);
  await Promise.all(pods.map((pod) => ping(pod, away.ipv4)));
  expect((await node.run("ip", "route", "show", "type", "unicast", "proto", "120")).split("\n")).toHaveLength(
    1,
  );
});

test("ADD applies a changed list of peers, and looks at nothing when it has not changed", async () => {
  await addPod(other, overlay());
  const alone = { type: "vxlan", peers: [] };
  await addPod(node, alone, "first");
  expect(await node.run("ip", "route", "show", "type", "unicast", "proto", "120")).toBe("");
  const second = await addPod(node, overlay(), "second");
  await ping(second, "10.244.2.2");
  // A flushed route is the keeper's to see.
  await node.run("ip", "route", "flush", "proto", "120");
  await addPod(node, overlay(), "third");
  expect(await node.run("ip", "route", "show", "type", "unicast", "proto", "120")).toBe("");
  expect((await node.podwire("apply")).stdout).toMatch(/overlay left alone, no network is declared/);
  declare(node, overlay());
  expect((await node.podwire("apply")).exitCode).toBe(0);
  await ping(second, "10.244.2.2");
});

test("networks that share an overlay have the node's prefixes of both", async () => {
  const peer = { ...node.peer, podCIDRs: [...podPrefixes(1), "10.245.1.0/24"] };
  const shared = { type: "vxlan", peers: [peer, other.peer] };
  await addPod(node, shared, "one");
  const ranges = {
    ipam: { type: "host-local", ranges: [[{ subnet: "10.245.1.0/24" }]], routes: [{ dst: "0.0.0.0/0" }] },
  };
  await addPod(node, shared, "two", { name: "othernet", ...ranges });
  const addresses = await node.run("ip", "-4", "-br", "address", "show", "dev", "pw-vxlan");
  expect(addresses).toMatch(/10\.244\.1\.0\/32 .*10\.245\.1\.0\/32|10\.245\.1\.0\/32 .*10\.244\.1\.0\/32/);
});

test("pods of a network with another overlay are refused while the first one's are there", async () => {
  await addPod(node, overlay());
  await expect(addPod(node, { type: "host-gw", peers: [] }, "two", { name: "othernet" })).rejects.toThrow(
    /network othernet and network podnet, .* have different overlays/,
  );
});

test("a peers' file serves all nodes alike, and node.json all networks", async () => {
  for (const each of [node, other]) {
    each.write("/etc/podwire/peers.json", JSON.stringify([node.peer, other.peer]));
    each.write(
      "/etc/podwire/node.json",
      JSON.stringify({ overlay: { type: "vxlan", peersFile: "/etc/podwire/peers.json" } }),
    );
  }
  const [one, two] = await Promise.all([addPod(node, undefined), addPod(other, undefined)]);
  await ping(one, two.ipv4);
  await ping(two, one.ipv6);
});

test("a wider route of somebody else by another link is no obstacle", async () => {
  for (const each of [node, other]) {
    await each.run("ip", "route", "add", "fd00::/8", "via", "2001:db8::fe");
    await each.run("ip", "route", "add", "10.0.0.0/8", "via", "192.0.2.254");
  }
  const one = await addPod(node, overlay());
  const two = await addPod(other, overlay());
  await ping(one, two.ipv4);
  await ping(one, two.ipv6);
  expect(await node.run("ip", "-6", "route", "show", "type", "unicast", "proto", "120")).toMatch(
    /^fd00:10:244:2::\/64[^\n]*$/,
  );
});

test("a node without IPv4 addresses has an overlay, also before it has peers", async () => {
  for (const each of [node, other]) {
    await each.run("sh", "-ec", "ip -4 address flush dev eth0; ip route add default via 2001:db8::fe");
  }
  const known = [node, other].map(({ peer, address6 }) => ({ ...peer, address: address6 }));
  const first = await addPod(node, { type: "vxlan", peers: [] }, "first");
  const away = await addPod(other, { type: "vxlan", peers: known });
  await addPod(node, { type: "vxlan", peers: known }, "second");
  await ping(first, away.ipv4);
  await ping(first, away.ipv6);
});
