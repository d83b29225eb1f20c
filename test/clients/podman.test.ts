// podman as a client: it runs containers on networks of the plugin through its CNI backend, alone and with the
// plugins that podman chains itself.
import { describe, expect, test } from "vitest";
import { webPort, whoami } from "./busybox-image.ts";
import { podmanChain, podNetwork, portmap, referencePlugins } from "./plugin-dir.ts";
import { podTraces } from "./pod-traces.ts";
import { Podman } from "./podman.ts";
import { cannotRun } from "./prerequisites.ts";
import { hostAddress, outsideAddress, type RuntimeNode, startNode } from "./runtime-node.ts";

const skip = cannotRun("podman", ["podman", "conmon", "runc"], referencePlugins);
const timeout = 180_000;
const hostPort = 8088;
const publish = ["--publish", `${hostPort}:${webPort}`];

async function startPodman(conflist: string): Promise<{ node: RuntimeNode; podman: Podman }> {
  const node = await startNode();
  await node.addNetwork("10-wired.conflist", conflist);
  const podman = new Podman(node);
  await podman.start();
  return { node, podman };
}

describe.skipIf(skip).each(["1.0.0", "0.4.0"])("podman with a cniVersion %s conflist", (cniVersion) => {
  test("connects two containers, their host and the world outside", { timeout }, async () => {
    const { node, podman } = await startPodman(podNetwork("wired", cniVersion));
    const a = await podman.startPod("a", "wired");
    const b = await podman.startPod("b", "wired");

    expect(await podman.exec("a", "ping", "-c", "2", "-W", "3", b)).toContain(" 0% packet loss");
    expect(await podman.exec("a", "ping", "-c", "2", "-W", "3", hostAddress)).toContain(" 0% packet loss");
    expect(await podman.exec("a", "wget", "-qO-", whoami(b))).toBe(`b saw ${a}`);
    expect(await podman.exec("b", "wget", "-qO-", whoami(a))).toBe(`a saw ${b}`);
    expect(await podman.exec("a", "wget", "-qO-", whoami(hostAddress))).toBe(`host saw ${a}`);
    expect(await node.fetch(whoami(a))).toMatch(/^a saw /);
    expect(await podman.exec("a", "wget", "-qO-", whoami(outsideAddress))).toBe(`outside saw ${hostAddress}`);
  });

  test.each([
    ["portmap", [portmap]],
    ["portmap, firewall and tuning", podmanChain],
  ])("publishes a port through %s chained after the plugin", { timeout }, async (_, chain) => {
    const { node, podman } = await startPodman(podNetwork("wired", cniVersion, chain));
    const server = await podman.startPod("server", "wired", ...publish);
    const client = await podman.startPod("client", "wired");

    expect(await node.fetchFromOutside(whoami(hostAddress, hostPort))).toBe(`server saw ${outsideAddress}`);
    expect(await node.fetch(whoami(hostAddress, hostPort))).toMatch(/^server saw /);
    expect(await node.fetch(whoami("127.0.0.1", hostPort))).toMatch(/^server saw /);
    const throughHost = await podman.exec("client", "wget", "-qO-", whoami(hostAddress, hostPort));
    expect(throughHost).toMatch(/^server saw /);
    const toItself = await podman.exec("server", "wget", "-qO-", whoami(hostAddress, hostPort));
    expect(toItself).toMatch(/^server saw /);
    expect(await podman.exec("client", "wget", "-qO-", whoami(server))).toBe(`server saw ${client}`);
  });

  test("wires a restarted container anew and leaves nothing behind a removed one", { timeout }, async () => {
    const { node, podman } = await startPodman(podNetwork("wired", cniVersion, podmanChain));
    const before = await podTraces(node);
    await podman.startPod("a", "wired");
    await podman.startPod("b", "wired", ...publish);
    const during = await podTraces(node);
    expect(during.links.length).toBe(before.links.length + 2);
    expect(during.rules).not.toEqual(before.rules);
    expect(during.state).not.toEqual(before.state);

    await podman.run("stop", "b");
    await podman.run("start", "b");
    expect(await node.fetchFromOutside(whoami(hostAddress, hostPort))).toBe(`b saw ${outsideAddress}`);

    await podman.run("rm", "-f", "a", "b");
    expect(await podTraces(node)).toEqual(before);
  });

  test("gives the containers of one podman pod one address", { timeout }, async () => {
    const { node, podman } = await startPodman(podNetwork("wired", cniVersion, podmanChain));
    const before = await podTraces(node);
    await podman.createGroup("group", "wired", ...publish);
    await podman.startInGroup("server", "group");
    await podman.startInGroup("neighbour", "group", "sleep", "1000");

    expect(await podman.exec("neighbour", "wget", "-qO-", whoami("127.0.0.1"))).toBe("server saw 127.0.0.1");
    expect(await node.fetchFromOutside(whoami(hostAddress, hostPort))).toBe(`server saw ${outsideAddress}`);

    await podman.run("pod", "rm", "-f", "group");
    expect(await podTraces(node)).toEqual(before);
  });
});
