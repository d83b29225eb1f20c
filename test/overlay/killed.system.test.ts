// podwire that is killed half-way leaves nothing that the next one takes for whole, and no tunnel without its filter.
import { expect, test } from "vitest";
import { cni } from "../fixture/calls.ts";
import { executable } from "../fixture/node.ts";
import { addPod, declare, entryFor } from "./cluster.ts";
import { loneNode } from "./lone-node.ts";
import { wrap } from "./wrapped-programs.ts";

const node = loneNode();

const n2 = { node: "n2", address: "192.0.2.2", podCIDRs: ["10.244.2.0/24", "fd00:10:244:2::/64"] };
const vxlan = { type: "vxlan", peers: [n2] };
const routes = () => node().run("ip", "route", "show", "proto", "120");
const rules = () => node().run("nft", "list", "chain", "inet", "podwire", "tunnels");

const killedOnce = (words: string) => `real "$@"; status=$?
case "$input" in *"${words}"*) [ -e /run/killed ] || { touch /run/killed; kill -KILL $PPID; };; esac
exit $status`;

test("an ADD that was killed once it had the device is finished by the next", async () => {
  await addPod(node(), vxlan, "one");
  const before = await routes();
  await node().run("ip", "link", "delete", "pw-vxlan");
  await node().addPod("two");
  const config = { cniVersion: "1.1.0", name: "podnet", ...entryFor(node(), vxlan) };
  const env = wrap(node(), "ip", killedOnce("link add pw-vxlan"));
  expect((await cni(node(), { verb: "ADD", config, container: "two", env })).stdout).toBe("");
  expect(await node().run("ip", "-br", "link", "show", "pw-vxlan")).toMatch(/DOWN/);
  await addPod(node(), vxlan, "three");
  expect(await routes()).toBe(before);
  expect(await node().run("ip", "-br", "link", "show", "pw-vxlan")).not.toMatch(/DOWN/);
});

test("an apply that was killed likewise is finished by the next ADD", async () => {
  await addPod(node(), vxlan, "one");
  declare(node(), vxlan);
  const before = await routes();
  await node().run("ip", "link", "delete", "pw-vxlan");
  const env = { ...process.env, ...wrap(node(), "ip", killedOnce("link add pw-vxlan")) };
  await node().attempt(executable, ["apply"], { env });
  expect(await routes()).not.toContain("10.244.2.0/24");
  await addPod(node(), vxlan, "two");
  expect(await routes()).toBe(before);
});

/** What the filter is when the device goes. */
async function filterAtDeletion(overlay: object): Promise<string> {
  declare(node(), overlay);
  const script = `case "$input" in *"link delete dev pw-vxlan"*) nft list ruleset > /run/at-deletion;; esac; real "$@"`;
  const { exitCode, stderr } = await node().attempt(executable, ["apply"], {
    env: { ...process.env, ...wrap(node(), "ip", script) },
  });
  expect(exitCode, stderr).toBe(0);
  return node().run("cat", "/run/at-deletion");
}

test.each([
  ["none", { type: "none" }, /udp dport 4789 ip saddr != @tunnels4 drop/],
  ["host-gw", { type: "host-gw", peers: [{ ...n2, address6: "2001:db8::2" }] }, /udp dport 4789 drop/],
])("with overlay %s the tunnel goes before what filters it", async (_, overlay, filter) => {
  declare(node(), vxlan);
  expect((await node().podwire("apply")).exitCode).toBe(0);
  expect(await filterAtDeletion(overlay)).toMatch(filter);
  expect(await rules().catch(String)).not.toMatch(/4789/);
  expect((await node().podwire("apply")).stdout).toMatch(/nothing to change/);
});

test("an apply that was killed before the tunnel went leaves it closed, and the next one opens the port", async () => {
  declare(node(), vxlan);
  expect((await node().podwire("apply")).exitCode).toBe(0);
  declare(node(), { type: "host-gw", peers: [{ ...n2, address6: "2001:db8::2" }] });
  const script = `case "$input" in *"link delete dev pw-vxlan"*) kill -KILL $PPID; exit 1;; esac; real "$@"`;
  await node().attempt(executable, ["apply"], {
    env: { ...process.env, ...wrap(node(), "ip", script) },
  });
  expect(await node().run("ip", "-br", "link", "show", "pw-vxlan")).not.toMatch(/DOWN/);
  expect(await rules()).toMatch(/udp dport 4789 drop/);
  expect((await node().podwire("apply")).exitCode).toBe(0);
  expect(await node().run("ip", "-br", "link")).not.toMatch(/pw-vxlan/);
  expect(await rules()).not.toMatch(/4789/);
});
