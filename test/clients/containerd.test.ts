// containerd as a client: containers that ctr runs with --cni, pod sandboxes made over its CRI socket the way
// a kubelet makes them, and both next to podman's on one network.
import { describe, expect, test } from "vitest";
import { webPort, whoami } from "./busybox-image.ts";
import { Containerd } from "./containerd.ts";
import { Cri } from "./cri.ts";
import { podNetwork, portmap, referencePlugins } from "./plugin-dir.ts";
import { podTraces } from "./pod-traces.ts";
import { Podman } from "./podman.ts";
import { cannotRun } from "./prerequisites.ts";
import { hostAddress, outsideAddress, startNode } from "./runtime-node.ts";

const programs = ["containerd", "ctr", "runc"];
const timeout = 180_000;
const hostPort = 8088;

async function startContainerd(conflist: string) {
  const node = await startNode();
  await node.addNetwork("10-wired.conflist", conflist);
  const containerd = new Containerd(node);
  await containerd.start();
  return { node, containerd, cri: new Cri(containerd.socket) };
}

const skip = cannotRun("containerd", programs, referencePlugins);
describe.skipIf(skip).each(["1.0.0", "0.4.0"])("containerd with a cniVersion %s conflist", (cniVersion) => {
  test("wires and unwires the containers of ctr run --cni", { timeout }, async () => {
    const { node, containerd } = await startContainerd(podNetwork("wired", cniVersion));
    const before = await podTraces(node);
    const a = await containerd.startPod("a");
    const b = await containerd.startPod("b");

    expect(await containerd.exec("a", "ping", "-c", "2", "-W", "3", b)).toContain(" 0% packet loss");
    expect(await containerd.exec("a", "wget", "-qO-", whoami(b))).toBe(`b saw ${a}`);
    expect(await containerd.exec("b", "wget", "-qO-", whoami(a))).toBe(`a saw ${b}`);
    expect(await containerd.exec("a", "wget", "-qO-", whoami(hostAddress))).toBe(`host saw ${a}`);
    expect(await node.fetch(whoami(a))).toMatch(/^a saw /);
    expect(await containerd.exec("a", "wget", "-qO-", whoami(outsideAddress))).toBe(
      `outside saw ${hostAddress}`,
    );

    await containerd.removePod("a");
    await containerd.removePod("b");
    expect(await podTraces(node)).toEqual(before);
  });

  test("wires pod sandboxes of the CRI service, and unwires them at the stop", { timeout }, async () => {
    const { node, containerd, cri } = await startContainerd(podNetwork("wired", cniVersion, [portmap]));
    const before = await podTraces(node);
    const a = await cri.runPodSandbox("a", `/${node.name}`);
    const b = await cri.runPodSandbox("b", `/${node.name}`, [{ containerPort: webPort, hostPort }]);
    const addressOfA = await cri.podSandboxAddress(a);
    const addressOfB = await cri.podSandboxAddress(b);

    const pinged = await containerd.execInSandbox(a, "ping", "-c", "2", "-W", "3", addressOfB);
    expect(pinged).toContain(" 0% packet loss");
    expect(await containerd.execInSandbox(a, "wget", "-qO-", whoami(addressOfB))).toBe(`b saw ${addressOfA}`);
    expect(await containerd.execInSandbox(b, "wget", "-qO-", whoami(addressOfA))).toBe(`a saw ${addressOfB}`);
    const host = await containerd.execInSandbox(a, "wget", "-qO-", whoami(hostAddress));
    expect(host).toBe(`host saw ${addressOfA}`);
    expect(await node.fetchFromOutside(whoami(hostAddress, hostPort))).toBe(`b saw ${outsideAddress}`);

    await cri.stopPodSandbox(a);
    await cri.stopPodSandbox(b);
    expect(await podTraces(node)).toEqual(before);
    // A kubelet repeats a stop. The removal has containerd unwire once more, without a network namespace.
    await cri.stopPodSandbox(a);
    await cri.removePodSandbox(a);
    await cri.removePodSandbox(b);
    expect(await podTraces(node)).toEqual(before);
  });

  test("unwires a pod sandbox that lost its network namespace", { timeout }, async () => {
    const { node, cri } = await startContainerd(podNetwork("wired", cniVersion, [portmap]));
    const before = await podTraces(node);
    const a = await cri.runPodSandbox("a", `/${node.name}`, [{ containerPort: webPort, hostPort }]);
    for (const line of (await node.run("ip", ["netns", "list"])).split("\n")) {
      const [name = ""] = line.split(" ");
      if (name.startsWith("cni-")) await node.run("ip", ["netns", "delete", name]);
    }
    await cri.stopPodSandbox(a);
    await cri.removePodSandbox(a);
    // The kernel takes a namespace's links down some time after its last process ended.
    await expect.poll(() => podTraces(node), { timeout: 5_000 }).toEqual(before);
  });
});

const skipBoth = cannotRun("containerd next to podman", [...programs, "podman", "conmon"], referencePlugins);
describe.skipIf(skipBoth)("containerd and podman on one network", () => {
  test("connect their pods to each other", { timeout }, async () => {
    const { node, containerd, cri } = await startContainerd(podNetwork("wired", "1.0.0", [portmap]));
    const podman = new Podman(node);
    await podman.start();
    const p = await podman.startPod("p", "wired");
    const c = await containerd.startPod("c");
    const sandbox = await cri.runPodSandbox("s", `/${node.name}`);
    const s = await cri.podSandboxAddress(sandbox);
    expect(new Set([p, c, s]).size).toBe(3);

    expect(await podman.exec("p", "wget", "-qO-", whoami(c))).toBe(`c saw ${p}`);
    expect(await podman.exec("p", "wget", "-qO-", whoami(s))).toBe(`s saw ${p}`);
    expect(await containerd.exec("c", "wget", "-qO-", whoami(p))).toBe(`p saw ${c}`);
    expect(await containerd.execInSandbox(sandbox, "wget", "-qO-", whoami(p))).toBe(`p saw ${s}`);

    await podman.run("rm", "-f", "p");
    expect(await containerd.exec("c", "wget", "-qO-", whoami(s))).toBe(`s saw ${c}`);
  });
});
