// Names of containers, networks and interfaces: those that could mean something to a path, a shell or a tool are
// refused, and all others work.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { cni, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { machineState, withoutForwarding } from "../fixture/machine-state.ts";
import { shape } from "../fixture/shape/shape.ts";
import { sharedPod } from "../fixture/shared-pod.ts";

const pod = sharedPod();

const badIdentifiers = [
  "a/b",
  "../../etc",
  "..",
  ".hidden",
  "a b",
  "a\nb",
  "a;reboot",
  "$(reboot)",
  "`reboot`",
  "a|b",
  "a&b",
  "a>b",
  "a'b",
  'a"b',
  "a\\b",
  "a*",
  "-a",
  "_a",
  "a:b",
  "a,b",
  "пакет",
  "a\u0085b",
  "a\u202Eb",
  "a\u00A0b",
  "🙂",
  "a".repeat(300),
];

describe("a container id with characters of its own", () => {
  test.each(badIdentifiers)("is refused with code 4: %j", async (container) => {
    for (const verb of ["ADD", "DEL", "CHECK"]) {
      const netns = "/run/netns/pod1";
      expectFailure(await cni(pod.node, { verb, config: network(), container, netns }), 4, "CNI_CONTAINERID");
    }
  });
});

describe("a network name with characters of its own", () => {
  test.each([...badIdentifiers, "a\u0000b", "", 7, null, ["a"], {}])(
    "is refused with code 7: %j",
    async (name) => {
      for (const verb of ["ADD", "DEL", "GC"])
        expectFailure(await cni(pod.node, { verb, config: network({ name }) }), 7, "name");
    },
  );
});

describe("an interface name", () => {
  const bad = [
    "a/b",
    "..",
    ".",
    "a b",
    "a\nb",
    "a:b",
    "a;b",
    "$(x)",
    "-a",
    "*",
    "a%d",
    "ü",
    "sixteen-letters-",
    // Of the kernel's directories of settings: these stand for all links.
    "all",
    "default",
  ];
  test.each(bad)("is refused with code 4: %j", async (ifname) => {
    for (const verb of ["ADD", "DEL", "CHECK"])
      expectFailure(await cni(pod.node, { verb, config: network(), ifname }), 4, "CNI_IFNAME");
  });

  test("that is taken leaves everything as it was", async () => {
    const before = await machineState(pod.node, "pod1");
    expectFailure(await cni(pod.node, { verb: "ADD", config: network(), ifname: "lo" }), [100, 101], "lo");
    expect(await machineState(pod.node, "pod1")).toBe(before);
  });

  /** Words of iproute2's grammar, and characters that only a few names have. */
  const odd = [
    "dev",
    "up",
    "type",
    "peer",
    "mtu",
    "via",
    "help",
    "123",
    "if1",
    "a.b",
    "a@b",
    "fifteen-letters",
  ];
  test.each(odd)("may be %j or is refused without a trace", async (ifname) => {
    const before = await machineState(pod.node, "pod1");
    const config = network();
    const added = await cni(pod.node, { verb: "ADD", config, ifname });
    if (added.exitCode === 0) {
      await succeed(pod.node, { verb: "CHECK", config: { ...config, prevResult: added.json }, ifname });
      await succeed(pod.node, { verb: "DEL", config, ifname });
    } else {
      expectFailure(added, [4, 100], ifname);
    }
    expect(withoutForwarding(await machineState(pod.node, "pod1"))).toBe(withoutForwarding(before));
  });
});

describe("identifiers of every allowed form", () => {
  test.each(["a", "1", "a.b", "a..b", "a-", "a_", "ip", "A".repeat(100), "0.0.0.0", "set", "a-b_c.D9"])(
    "name a network and a container: %j",
    async (name) => {
      const config = network({ name, ipMasq: true });
      const call = { config, container: name, netns: "/run/netns/pod1" };
      const { json: prevResult } = await succeed(pod.node, { verb: "ADD", ...call });
      await succeed(pod.node, { verb: "CHECK", ...call, config: { ...config, prevResult } });
      await succeed(pod.node, { verb: "DEL", ...call });
      await succeed(pod.node, {
        verb: "GC",
        ...call,
        config: { ...config, "cni.dev/valid-attachments": [] },
      });
    },
  );

  test("are found by GC also at their greatest length and without records", async () => {
    const config = network({ name: "n".repeat(112) });
    const container = "c".repeat(112);
    await succeed(pod.node, {
      verb: "ADD",
      config,
      container,
      netns: "/run/netns/pod1",
      ifname: "fifteen-letters",
    });
    fs.rmSync(pod.node.file(`/var/lib/podwire/${config["name"]}`), { recursive: true });
    await succeed(pod.node, { verb: "GC", config: { ...config, "cni.dev/valid-attachments": [] } });
    const left = await shape.hostEnds(pod.node);
    await succeed(pod.node, {
      verb: "DEL",
      config,
      container,
      netns: "/run/netns/pod1",
      ifname: "fifteen-letters",
    });
    expect(left).toEqual([]);
  });
});
