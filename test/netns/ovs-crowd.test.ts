// Many pods of Open vSwitch: a bridge that comes and goes under many calls at once, and what the switch keeps of the traffic
// of many pods.
import { afterAll, describe, expect, test } from "vitest";
import { dualStackIpam } from "../fixture/calls.ts";
import { sayFigures } from "../fixture/figures.ts";
import { outsideAddress, outsideAddress6 } from "../fixture/node.ts";
import { hasOpenVswitch } from "../fixture/open-vswitch.ts";
import { type OvsPod, ovsNetwork, sharedOvsNode } from "../fixture/ovs-pods.ts";
import { isFull } from "../lab/fixture/kernels.ts";

describe.skipIf(!hasOpenVswitch)("many calls at once", () => {
  const own = sharedOvsNode();
  // On one emulated processor eight calls at once take long to get an answer.
  const config = ovsNetwork({}, { timeout: 240 });
  const names = Array.from({ length: 8 }, (_, index) => `pod${index}`);
  afterAll(() => own.expectNothingLeft());

  test("make one bridge and leave none, in several rounds", async () => {
    for (let round = 0; round < 4; round++) {
      const pods = await Promise.all(names.map((name) => own.pod(name, config)));
      expect(await own.ports()).toHaveLength(8);
      for (const answer of await Promise.all(pods.map((pod) => own.check(pod, config))))
        expect(answer.stdout).toBe("");
      await own.node.runIn("pod0", "ping", "-c", "1", "-W", "3", pods[7]?.addresses[0] ?? "");
      const answers = await Promise.all(names.map((name) => own.del(name, config)));
      for (const answer of answers) expect(answer.stdout).toBe("");
      expect(await own.bridges()).toEqual([]);
    }
  });

  test("that add and delete by turns never leave a live pod without its bridge", async () => {
    for (let round = 0; round < 6; round++) {
      const [come, go] = [`come${round}`, `go${round}`];
      await own.pod(go);
      const [pod] = await Promise.all([own.pod(come), own.del(go)]);
      expect((await own.check(pod)).stdout, `round ${round}`).toBe("");
      await own.node.run("ping", "-c", "1", "-W", "3", pod.addresses[0]);
      await own.del(come);
    }
  });
});

/** Takes minutes. */
describe.skipIf(!hasOpenVswitch || !isFull)("200 pods", () => {
  const own = sharedOvsNode();

  const timeout = 600_000 * Number(process.env["PODWIRE_TEST_SLOWNESS"] ?? 1);

  test("keep few flows in the datapath, whoever talks to whom", { timeout }, async (context) => {
    const ipam = {
      ...dualStackIpam,
      ranges: [[{ subnet: "10.244.0.0/22" }], [{ subnet: "fd00:10:244:1::/64" }]],
    };
    const config = ovsNetwork({}, { ipam });
    const pods: OvsPod[] = [];
    for (let first = 0; first < 200; first += 4) {
      const four = [0, 1, 2, 3].map((offset) => own.pod(`pod${first + offset}`, config));
      pods.push(...(await Promise.all(four)));
    }
    const talk = async (pod: OvsPod, targets: readonly string[]) => {
      const pings = targets.map((to) => `ping -n -c 1 -W 3 ${to} > /dev/null`);
      await own.node.runIn(pod.name, "sh", "-ec", pings.join("; "));
    };
    const count = async () =>
      (await own.ovs.run("ovs-appctl", "dpctl/dump-flows"))
        .split("\n")
        .filter((line) => line.includes("actions:")).length;
    const allTalk = async (targets: (index: number) => readonly string[]) => {
      for (let first = 0; first < 200; first += 8) {
        const eight = pods.slice(first, first + 8);
        await Promise.all(eight.map((pod, offset) => talk(pod, targets(first + offset))));
      }
    };
    // Flows would go when nothing used them for ten seconds.
    await own.ovs.run("ovs-vsctl", "set", "Open_vSwitch", ".", `other_config:max-idle=${timeout}`);
    await allTalk(() => [outsideAddress, outsideAddress6]);
    const outward = await count();
    await allTalk((index) => pods[(index + 1) % 200]?.addresses ?? []);
    const among = await count();
    sayFigures(context, `megaflows of 200 pods: ${outward} to the outside, ${among} with a neighbour each`);
    // Each direction of a pair of pods is one for each family, and each pod's way to the host and back.
    expect(outward).toBeLessThan(200 * 4 + 50);
    expect(among).toBeLessThan(200 * 8 + 50);
  });
});
