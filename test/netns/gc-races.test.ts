// GC and DEL while ADDs come, which are not on the runtime's list: what they make stays.
import fs from "node:fs";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CniCall, cni, network, succeed } from "../fixture/calls.ts";
import { startNode, type TestNode } from "../fixture/node.ts";
import { locate, pluginDirectory, podwireWith } from "../fixture/programs.ts";
import { shape } from "../fixture/shape/shape.ts";

const config = network({ ipMasq: true });
const real = (program: string) => `exec ${locate(program)} "$@"`;

let node: TestNode;
beforeEach(async () => {
  node = await startNode();
  for (const name of ["pod1", "pod2"]) await node.addPod(name);
});
afterEach(async () => node.stop());

const until = (file: string) => node.run("sh", "-c", waitFor(file));
const waitFor = (file: string) => `until [ -e ${file} ]; do sleep 0.01; done`;
/** Shell commands that stop a program until the test lets it go on. */
const held = `touch /run/held; ${waitFor("/run/go")}`;
/** Its first nft waits. */
const slow = () => podwireWith(node, { nft: `${held}; ${real("nft")}` });
const letGo = () => fs.writeFileSync(node.file("/run/go"), "");

const add = async (container: string) => (await succeed(node, { verb: "ADD", container, config })).json;
const check = (container: string, prevResult: object) =>
  succeed(node, { verb: "CHECK", container, config: { ...config, prevResult } });
const gc = (plugin: string, call: Partial<CniCall> = {}, ...kept: string[]) => {
  const valid = kept.map((containerID) => ({ containerID, ifname: "eth0" }));
  const listing = { ...config, ...(call.config as object), "cni.dev/valid-attachments": valid };
  return succeed(node, { verb: "GC", plugin, ...call, config: listing });
};
const records = () => fs.readdirSync(node.file("/var/lib/podwire/podnet"));

describe("GC that is slow to remove a dead pod", () => {
  // Removing one begins with nft; names go in their order.

  test("leaves an ADD alone that was under way when GC began and is through by its turn", async () => {
    await add("pod1");
    const plugin = podwireWith(node, { nft: `touch /run/adding; ${waitFor("/run/held")}; ${real("nft")}` });
    const adding = succeed(node, { verb: "ADD", container: "pod2", config, plugin });
    await until("/run/adding");
    const collecting = gc(slow());
    const { json: prevResult } = await adding;
    letGo();
    await collecting;
    await check("pod2", prevResult);
    expect(records()).toEqual(["pod2:eth0.json"]);
  });

  test("leaves an ADD alone that has taken the place of a killed one since", async () => {
    await add("pod1");
    const killed = podwireWith(node, { nft: "kill -9 $PPID" });
    await cni(node, { verb: "ADD", container: "pod2", config, plugin: killed });
    const collecting = gc(slow());
    await until("/run/held");
    const prevResult = await add("pod2");
    letGo();
    await collecting;
    await check("pod2", prevResult);
    expect(records()).toEqual(["pod2:eth0.json"]);
  });
});

describe("an ADD that takes the place of a pod while that is removed", () => {
  const expectWhole = async (prevResult: { ips: { address: string }[] }) => {
    await check("pod1", prevResult);
    const address = prevResult.ips[0]?.address.replace(/\/.*/, "");
    expect(fs.existsSync(node.file(`/var/lib/cni/networks/podnet/${address}`))).toBe(true);
    expect(records()).toEqual(["pod1:eth0.json"]);
  };

  test("is left alone by the DEL that it waited for", async () => {
    await add("pod1");
    const deleting = succeed(node, { verb: "DEL", config, plugin: slow() });
    await until("/run/held");
    const adding = add("pod1");
    await until("/var/lib/podwire/podnet/pod1:eth0.json");
    letGo();
    await deleting;
    await expectWhole(await adding);
  });

  // What an ipvlan pod without a record leaves nobody sees from the host.
  test.skipIf(shape.name === "ipvlan")("is left alone by the GC of what had no record", async () => {
    await add("pod1");
    fs.rmSync(node.file("/var/lib/podwire/podnet"), { recursive: true });
    const collecting = gc(slow());
    await until("/run/held");
    const adding = add("pod1");
    // Either it waits, or it is through by now.
    await Promise.race([adding, setTimeout(1_500)]);
    letGo();
    await collecting;
    await expectWhole(await adding);
  });
});

describe("GC that is slow between looking at records and at addresses", () => {
  // Its first program is the listing of what is masqueraded.

  test("leaves the lease of an ADD alone that came in between", async () => {
    const collecting = gc(slow());
    await until("/run/held");
    const prevResult = await add("pod1");
    letGo();
    await collecting;
    await check("pod1", prevResult);
  });

  test("tells a delegated IPAM of the ADD that came in between", async () => {
    const address = '{"cniVersion":"1.1.0","ips":[{"address":"10.244.1.9/24"}]}';
    const stub = `cat > /run/$CNI_COMMAND; echo '${address}'`;
    const path = pluginDirectory(node, { stub });
    const delegated = { ...config, ipam: { type: "stub" } };
    const collecting = gc(slow(), { config: delegated, path });
    await until("/run/held");
    await succeed(node, { verb: "ADD", config: delegated, path });
    letGo();
    await collecting;
    const told = JSON.parse(fs.readFileSync(node.file("/run/GC"), "utf8"));
    expect(told["cni.dev/valid-attachments"]).toEqual([{ containerID: "pod1", ifname: "eth0" }]);
  });
});

describe("GC that is slow to change what is masqueraded", () => {
  const slow = (change: string) => {
    const changing = `script=$(cat); case "$script" in *"${change}"*) ${held};; esac`;
    return podwireWith(node, { nft: `${changing}; echo "$script" | ${locate("nft")} "$@"` });
  };

  test("leaves the network to an ADD that came when it had no pods", async () => {
    await add("pod1");
    await succeed(node, { verb: "DEL", config });
    const collecting = gc(slow("delete chain"));
    await until("/run/held");
    const prevResult = await add("pod1");
    letGo();
    await collecting;
    await check("pod1", prevResult);
  });

  test("leaves the address of a killed call to an ADD that was given it since", async () => {
    await add("pod2");
    await node.run("nft", "add", "element", "inet", "podwire", "pods4-podnet", "{ 10.244.1.3 }");
    const plugin = slow("delete element inet podwire pods4-podnet { 10.244.1.3 }");
    const collecting = gc(plugin, {}, "pod2");
    await until("/run/held");
    const prevResult = await add("pod1");
    expect(prevResult.ips[0].address).toBe("10.244.1.3/32");
    letGo();
    await collecting;
    await check("pod1", prevResult);
  });
});
