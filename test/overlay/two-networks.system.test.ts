// Two networks of one node by one overlay, and what becomes of one while the other's ADD changes what both have.
import { expect, test } from "vitest";
import { cni, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { entryFor, podPrefixes } from "./cluster.ts";
import { loneNode } from "./lone-node.ts";

const node = loneNode();

const peer = (number: number) => ({
  node: `n${number}`,
  address: `192.0.2.${number}`,
  podCIDRs: podPrefixes(number),
});

function setPeers(...numbers: number[]): void {
  const overlay = { type: "vxlan", peers: numbers.map(peer) };
  node().write("/etc/podwire/node.json", JSON.stringify({ overlay }));
}

const subnets = { a: 1, b: 11 };
const configOf = (name: keyof typeof subnets, overlay?: object) => {
  const ipam = { type: "host-local", ranges: podPrefixes(subnets[name]).map((subnet) => [{ subnet }]) };
  return { cniVersion: "1.1.0", name, ...entryFor(node(), overlay), ipam };
};

async function add(name: keyof typeof subnets, container: string): Promise<void> {
  await node().addPod(container);
  await succeed(node(), { verb: "ADD", config: configOf(name), container });
}

/** What leads to peers, and what the node has of its own pods' prefixes. */
async function state(): Promise<{ peers: string[]; own: string[] }> {
  const routes = await node().run("ip", "route", "show", "proto", "120");
  const addresses = await node().run("ip", "-4", "address", "show", "dev", "pw-vxlan");
  return {
    peers: [...routes.matchAll(/^10\.244\.([0-9]+)\.0\/24/gm)].map(([, number = ""]) => number).sort(),
    own: [...addresses.matchAll(/inet ([0-9.]+)/g)].map(([, address = ""]) => address).sort(),
  };
}

const own = ["10.244.1.0", "10.244.11.0"];

test("peers that the node's file gets are there with either network's next ADD, and both keep what they have", async () => {
  setPeers(2);
  await add("a", "a1");
  await add("b", "b1");
  expect(await state()).toEqual({ peers: ["2"], own });
  setPeers(2, 3);
  await add("a", "a2");
  expect(await state()).toEqual({ peers: ["2", "3"], own });
  setPeers(2, 3, 4);
  await add("a", "a3");
  await add("b", "b2");
  expect(await state()).toEqual({ peers: ["2", "3", "4"], own });
});

test.each([
  ["another tunnel", { vni: 7, peers: [2] }],
  ["other peers, by a conflist of its own,", { peers: [3] }],
])(
  "a network that wants %s than pods of the other have is refused, and told what to do",
  async (_, wanted) => {
    setPeers(2);
    await add("a", "a1");
    await node().addPod("b1");
    const config = configOf("b", { type: "vxlan", ...wanted, peers: wanted.peers.map(peer) });
    const answer = await cni(node(), { verb: "ADD", config, container: "b1" });
    expectFailure(answer, [7], /network a, .* have different overlays.*podwire apply/);
    expect((await state()).peers).toEqual(["2"]);
  },
);

test("a route of others in the way of one peer lets pods be added while the list of peers changes", async () => {
  setPeers(2);
  await add("a", "a1");
  await node().run("ip", "route", "add", "10.244.2.0/24", "via", "192.0.2.254");
  for (const [round, numbers] of [
    [2, 4],
    [2, 4, 5],
    [2, 5],
  ].entries()) {
    setPeers(...numbers);
    await add("a", `late${round}`);
    expect((await state()).peers).toEqual(numbers.map(String));
  }
});
