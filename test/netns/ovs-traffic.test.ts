// What pods of an Open vSwitch bridge say to each other, to the host and to the world outside: whole transfers in both
// directions and families, and the ways a packet can get lost between different MTUs.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, type Place, type Server, serve } from "../chain/traffic.ts";
import { hostAddress, hostAddress6, outsideAddress, outsideAddress6 } from "../fixture/node.ts";
import { hasOpenVswitch } from "../fixture/open-vswitch.ts";
import { type OvsPod, ovsNetwork, sharedOvsNode } from "../fixture/ovs-pods.ts";

const port = 7000;
const bytes = 20_000_000;
const families = [
  ["IPv4", 0],
  ["IPv6", 1],
] as const;

describe.skipIf(!hasOpenVswitch)("pods of an Open vSwitch bridge", () => {
  const own = sharedOvsNode();
  const servers: Server[] = [];
  let pods: Record<string, OvsPod>;
  beforeAll(async () => {
    pods = { pod1: await own.pod("pod1"), pod2: await own.pod("pod2") };
    for (const place of ["pod1", "pod2", undefined, "outside"])
      servers.push(await serve(own.node, place, port, place ?? "host"));
    const routes = `ip route add 10.244.1.0/24 via ${hostAddress}; ip route add fd00:10:244:1::/64 via ${hostAddress6}`;
    await own.node.runIn("outside", "sh", "-ec", routes);
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
  });

  const outside = [outsideAddress, outsideAddress6];
  const host = [hostAddress, hostAddress6];
  const addressOf = (place: Place, family: 0 | 1): string =>
    (place === undefined ? host : place === "outside" ? outside : pods[place]?.addresses)?.[family] ?? "";

  describe.each(families)("by %s", (_, family) => {
    test.each([
      ["a pod", "another pod", "pod1", "pod2"],
      ["a pod", "the host", "pod1", undefined],
      ["the host", "a pod", undefined, "pod1"],
      ["the outside", "a pod", "outside", "pod1"],
    ])("get and give 20 MB between %s and %s", async (_from, _to, from, to) => {
      const answer = await ask(own.node, { from, to: addressOf(to, family), port, bytes });
      expect(answer.received).toBe(bytes);
      expect(answer.name).toBe(to ?? "host");
      // The caller's own address is seen, whichever way it took.
      if (from !== undefined) expect(answer.caller).toBe(addressOf(from, family));
    });

    test("reach the world outside with the node's address", async () => {
      const answer = await ask(own.node, { from: "pod1", to: addressOf("outside", family), port, bytes });
      expect(answer.received).toBe(bytes);
      expect(answer.caller).toBe(addressOf(undefined, family));
    });

    test("reach themselves", async () => {
      const answer = await ask(own.node, { from: "pod1", to: addressOf("pod1", family), port });
      expect(answer.name).toBe("pod1");
    });
  });
});

describe.skipIf(!hasOpenVswitch)("a pod with a smaller MTU than others of its bridge", () => {
  const own = sharedOvsNode();
  const small = ovsNetwork({}, { name: "small", mtu: 1300 });
  let pods: { small: OvsPod; large: OvsPod };
  beforeAll(async () => {
    const ipam = {
      type: "host-local",
      ranges: [[{ subnet: "10.245.1.0/24" }], [{ subnet: "fd00:10:245:1::/64" }]],
    };
    const routes = [{ dst: "0.0.0.0/0" }, { dst: "::/0" }];
    pods = {
      large: await own.pod("large"),
      small: await own.pod("small", { ...small, ipam: { ...ipam, routes } }),
    };
  });

  test("has the MTU that its network asks for, inside and in the result", async () => {
    const [link] = JSON.parse(await own.node.runIn("small", "ip", "-json", "link", "show", "eth0"));
    expect(link.mtu).toBe(1300);
    expect(pods.small.answer.json.interfaces[1].mtu).toBe(1300);
    const [other] = JSON.parse(await own.node.runIn("large", "ip", "-json", "link", "show", "eth0"));
    expect(other.mtu).toBe(1500);
  });

  const longPing = (from: Place, to: string, fragments: "do" | "dont" = "do", bytes = "1400") => {
    const ping = ["ping", "-c", "2", "-i", "0.3", "-W", "2", "-M", fragments, "-s", bytes, to];
    const [first = "", ...rest] =
      from === undefined ? ping : ["nsenter", `--net=/run/netns/${from}`, "--", ...ping];
    return own.node.attempt(first, rest);
  };

  test.each(families)("makes the host refuse what is too long for it by %s", async (_, family) => {
    const { stdout, stderr } = await longPing(undefined, pods.small.addresses[family]);
    expect(stdout + stderr).toMatch(/too long|Frag needed|too big|mtu/i);
  });

  test.each(families)(
    "has others told by %s what is too long for it, or gets it in fragments",
    async (_, family) => {
      const to = pods.small.addresses[family];
      const { stdout, stderr } = await longPing("large", to);
      expect(stdout + stderr).toMatch(/too long|Frag needed|too big|mtu/i);
      // What it was told it must have forgotten, for the host to do it; by IPv6 only senders can.
      await own.node.runIn("large", "ip", "-4", "route", "flush", "cache");
      expect((await longPing("large", to, "dont")).stdout).toContain("2 received");
      // In a large and a small fragment from the start, which a host that tracks connections wants to see both.
      await own.node.runIn("large", "ip", "-4", "route", "flush", "cache");
      expect((await longPing("large", to, "dont", "2000")).stdout).toContain("2 received");
    },
  );

  test.each(families)("gets a whole transfer by %s from a pod with a larger one", async (_, family) => {
    const server = await serve(own.node, "small", port, "small");
    try {
      const to = pods.small.addresses[family];
      expect((await ask(own.node, { from: "large", to, port, bytes })).received).toBe(bytes);
      expect((await ask(own.node, { from: undefined, to, port, bytes })).received).toBe(bytes);
    } finally {
      await server.stop();
    }
  });
});
