// What pods that lost the same link get back when they are put right at once.
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { masqueradedAddresses } from "../fixture/machine-state.ts";
import { executable, startNode } from "../fixture/node.ts";
import { locate, podwireWith } from "../fixture/programs.ts";

const script = path.resolve(import.meta.dirname, "mend-at-once.ts");

test("one repair makes the link, the others take it as theirs, and none makes the rest again", async () => {
  const node = await startNode();
  onTestFinished(() => node.stop());
  await node.run(process.execPath, script);
  const routes = (await node.run("ip", "route", "show", "dev", "shared0")).trim().split("\n");
  expect(routes.map((route) => route.split(" ")[0])).toEqual([2, 3, 4, 5].map((pod) => `10.244.1.${pod}`));
});

test("what the kernel refuses keeps nothing else of the pod from being put right", async () => {
  const node = await startNode();
  onTestFinished(() => node.stop());
  await node.addPod("pod1");
  const { json } = await succeed(node, {
    verb: "ADD",
    config: network({ ipMasq: true, ipam: dualStackIpam }),
  });
  const [ipv4, ipv6] = json.ips.map(({ address }: { address: string }) => address.replace(/\/.*/, ""));
  await node.run("ip", "route", "del", ipv4);
  await node.run("ip", "-6", "route", "del", ipv6);
  await node.run("nft", "delete", "table", "inet", "podwire");

  const spoil = `sed 's#^route [a-z]* ${ipv4}/32 .*#route add ${ipv4}/32 dev nowhere#'`;
  const ip = `case "$*" in *-json*) exec ${locate("ip")} "$@";; *) ${spoil} | ${locate("ip")} "$@";; esac`;
  const { exitCode, stdout } = await node.attempt(podwireWith(node, { ip }), ["apply"]);
  expect({ exitCode, stdout }).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("nowhere") });
  expect(await node.run("ip", "-6", "route", "show", ipv6)).toContain(ipv6);
  expect(await masqueradedAddresses(node)).toEqual([ipv4, ipv6]);
});

test("a link of somebody else's with the name of the pod's lost one gets nothing of the pod", async () => {
  const node = await startNode();
  onTestFinished(() => node.stop());
  await node.addPod("pod1");
  await succeed(node, { verb: "ADD", config: network({ ipam: dualStackIpam }) });
  await node.runIn("pod1", "ip", "link", "del", "eth0");
  await node.runIn("pod1", "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "theirs");
  expect((await node.attempt(executable, ["apply"])).exitCode).toBe(1);
  expect(await node.runIn("pod1", "ip", "-o", "address", "show", "dev", "eth0")).toBe("");
});
