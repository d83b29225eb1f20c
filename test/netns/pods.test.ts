// Pods on the running kernel, wired by the built executable.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dualStackIpam, network, succeed } from "../fixture/calls.ts";
import {
  hostAddress,
  hostAddress6,
  outsideAddress,
  outsideAddress6,
  startNode,
  type TestNode,
} from "../fixture/node.ts";
import { shape } from "../fixture/shape/shape.ts";

let node: TestNode;
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => node.stop());

async function wirePod(name: string, config = network({ ipMasq: true, ipam: dualStackIpam })) {
  await node.addPod(name);
  const { json } = await succeed(node, { verb: "ADD", container: name, config });
  return json.ips.map((ip: { address: string }) => ip.address.split("/")[0]) as [string, string];
}

const ping = (from: string, to: string) => node.runIn(from, "ping", "-c", "1", "-W", "2", to);

describe("a dual-stack pod", () => {
  test("reaches other pods, the host and the world outside, in both families", async () => {
    await wirePod("pod1");
    const other = await wirePod("pod2");
    for (const address of [...other, hostAddress, hostAddress6, outsideAddress, outsideAddress6]) {
      await ping("pod1", address);
    }
  });

  test("is reached by the host at once", async () => {
    for (const address of await wirePod("pod1")) await node.run("ping", "-c", "1", "-W", "1", address);
  });

  test("is seen from outside as its node when ipMasq is on", async () => {
    await wirePod("pod1");
    const route = await node.attempt("ip", ["-n", "outside", "route", "get", "10.244.1.2"]);
    expect(route.exitCode).not.toBe(0);
    await ping("pod1", outsideAddress);
  });

  test("passes CHECK with its own result and leaves nothing after DEL", async () => {
    const config = network({ ipam: dualStackIpam });
    await node.addPod("pod1");
    const { json: prevResult } = await succeed(node, { verb: "ADD", config });
    await succeed(node, { verb: "CHECK", config: { ...config, prevResult } });
    expect(await shape.hostEnds(node)).toHaveLength(shape.hostEndsOf(1));
    await succeed(node, { verb: "DEL", config });
    expect(await shape.hostEnds(node)).toEqual([]);
    expect(await node.run("find", "/var/lib/podwire", "-type", "f")).toBe("");
  });
});
