// CHECK against a kernel in which one thing at a time was broken, and repaired again. Nothing here knows how
// podwire lists what it looks at: the breakages come from what the datapath is documented to consist of.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CniAnswer, cni, dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { startNode, type TestNode } from "../fixture/node.ts";
import { shape } from "../fixture/shape/shape.ts";
import { ipv4, ipv6, restorePod, saveIn } from "./breakages/breakage.ts";
import { breakages } from "./breakages/breakages.ts";

const routes = [
  { dst: "0.0.0.0/0" },
  { dst: "::/0" },
  { dst: "10.50.0.0/16", mtu: 1300, advmss: 1200, priority: 77 },
  { dst: "10.60.0.0/16", table: 200 },
  { dst: "10.70.0.0/16", scope: 253 },
];
const config = network({ ipMasq: true, mtu: 1400, ipam: { ...dualStackIpam, routes } });

let node: TestNode;
let prevResult: { interfaces: { name: string; mac: string }[] };
let link: string;
let mac: string;

beforeAll(async () => {
  node = await startNode();
  await node.addPod("pod1");
  await wire();
});
afterAll(async () => node.stop());

async function wire(): Promise<void> {
  ({ json: prevResult } = await succeed(node, {
    verb: "ADD",
    config: { ...config, runtimeConfig: { ips: [ipv4, ipv6] } },
  }));
  link = await shape.hostLink(node);
  mac = prevResult.interfaces.at(-1)?.mac ?? "";
  await shell("host", saveIn("host", "LINK"));
  await shell("pod", saveIn("pod", "eth0"));
}

const check = (): Promise<CniAnswer> => cni(node, { verb: "CHECK", config: { ...config, prevResult } });

const named = (text: string): string => text.replaceAll("LINK", link).replaceAll("MAC", mac);

async function shell(where: "host" | "pod", script: string): Promise<void> {
  const text = named(script);
  await (where === "host" ? node.run("sh", "-ec", text) : node.runIn("pod1", "sh", "-ec", text));
}

describe("CHECK", () => {
  test("passes as long as nothing is broken", async () => {
    expect((await check()).stdout).toBe("");
  });

  test.each(breakages)("notices $what, and its repair", async (breakage) => {
    await shell(breakage.where, breakage.break);
    const broken = await check();
    await shell(breakage.where, breakage.restore ?? "true").catch(() => {});
    const restored = await check();
    if (restored.exitCode !== 0) {
      await succeed(node, { verb: "DEL", config });
      await wire();
    }
    const repaired = breakage.restore === undefined ? await check() : restored;
    const words = breakage.words.map((word) => (typeof word === "string" ? named(word) : word));
    expectFailure(broken, 104, ...words);
    expect(repaired.stdout, "after the repair").toBe("");
  });

  test("succeeds without looking when disableCheck is set", async () => {
    await node.runIn("pod1", "ip", "route", "del", "default");
    await succeed(node, { verb: "CHECK", config: { ...config, prevResult, disableCheck: true } });
    await shell("pod", restorePod);
  });

  test("of a container that was never added fails with code 3", async () => {
    await node.addPod("stranger");
    const answer = await cni(node, {
      verb: "CHECK",
      config: { ...config, prevResult },
      container: "stranger",
    });
    expectFailure(answer, 3, "stranger");
  });

  test("in another netns than the one of ADD fails", async () => {
    const answer = await cni(node, {
      verb: "CHECK",
      config: { ...config, prevResult },
      netns: "/run/netns/stranger",
    });
    expectFailure(answer, [8, 104], "/run/netns/stranger");
  });

  test("with a netns that is gone fails with code 8", async () => {
    const answer = await cni(node, {
      verb: "CHECK",
      config: { ...config, prevResult },
      netns: "/run/netns/gone",
    });
    expectFailure(answer, [8, 104], "/run/netns/gone");
  });
});
