// What ADD answers, in each version of the specification, alone and behind another plugin.
import { describe, expect, test } from "vitest";
import { cni, dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { shape } from "../fixture/shape/shape.ts";
import { sharedPod } from "../fixture/shared-pod.ts";

const pod = sharedPod();

describe.each(["0.1.0", "0.2.0"])("a result of %s", (cniVersion) => {
  test("has ip4 and ip6 and no interfaces", async () => {
    await pod.wired(
      network({ cniVersion, ipam: dualStackIpam, dns: { nameservers: ["10.0.0.1"] } }),
      ({ json }) => {
        expect(json).toMatchObject({
          cniVersion,
          ip4: { ip: expect.stringMatching(/^10\.244\.1\.\d+\/32$/), routes: [{ dst: "0.0.0.0/0" }] },
          ip6: { ip: expect.stringMatching(/^fd00:10:244:1::[0-9a-f]+\/128$/), routes: [{ dst: "::/0" }] },
          dns: { nameservers: ["10.0.0.1"] },
        });
        expect(Object.keys(json).sort()).toEqual(["cniVersion", "dns", "ip4", "ip6"]);
      },
    );
  });

  test("has no ip6 for a pod without IPv6", async () => {
    await pod.wired(network({ cniVersion }), ({ json }) => expect(json).not.toHaveProperty("ip6"));
  });
});

test("a configuration without cniVersion gets a result of 0.1.0", async () => {
  const { cniVersion: _, ...config } = network();
  await pod.wired(config, ({ json }) => expect(json).toMatchObject({ cniVersion: "0.1.0", ip4: {} }));
});

describe.each(["0.3.0", "0.3.1", "0.4.0"])("a result of %s", (cniVersion) => {
  test("names each address's family and has no fields of 1.1.0", async () => {
    await pod.wired(network({ cniVersion, ipam: dualStackIpam }), ({ json }) => {
      expect(json.cniVersion).toBe(cniVersion);
      expect(json.ips.map((ip: { version: string }) => ip.version)).toEqual(["4", "6"]);
      for (const link of json.interfaces) expect(link).not.toHaveProperty("mtu");
      expect(Object.keys(json.routes[0]).sort()).toEqual(
        shape.gateway === undefined ? ["dst"] : ["dst", "gw"],
      );
    });
  });
});

test("a result of 1.0.0 has neither the family nor the fields of 1.1.0", async () => {
  await pod.wired(network({ cniVersion: "1.0.0", ipam: dualStackIpam }), ({ json }) => {
    expect(json.ips).toHaveLength(2);
    for (const ip of json.ips) expect(ip).not.toHaveProperty("version");
    for (const link of json.interfaces) expect(link).not.toHaveProperty("mtu");
  });
});

test("a result of 1.1.0 says what the kernel has", async () => {
  await pod.wired(network({ ipam: dualStackIpam, mtu: 1400 }), async ({ json }) => {
    const index = json.interfaces.findIndex((link: { sandbox?: string }) => link.sandbox !== undefined);
    const own = json.interfaces[index];
    expect(own).toMatchObject({ name: "eth0", mtu: 1400, sandbox: "/run/netns/pod1" });
    const [link] = await pod.ip("address", "show", "dev", "eth0");
    expect(link).toMatchObject({ mtu: 1400, address: own.mac });
    const addresses = link.addr_info
      .filter((address: { scope: string }) => address.scope === "global")
      .map((address: { local: string; prefixlen: number }) => `${address.local}/${address.prefixlen}`);
    expect(json.ips.map((ip: { address: string }) => ip.address).sort()).toEqual(addresses.sort());
    for (const ip of json.ips) expect(ip.interface).toBe(index);
    const onHost = json.interfaces.filter((other: { sandbox?: string }) => other.sandbox === undefined);
    expect(onHost).toHaveLength(shape.hostInterfaces);
    for (const host of onHost) {
      const [hostLink] = JSON.parse(await pod.node.run("ip", "-json", "link", "show", "dev", host.name));
      expect(hostLink).toMatchObject({ ...(host.mtu === undefined ? {} : { mtu: 1400 }), address: host.mac });
    }
  });
});

describe("prevResult", () => {
  const before = {
    "0.3.1": {
      interfaces: [{ name: "br0" }, { name: "net0", sandbox: "/run/netns/pod1" }],
      ips: [{ version: "4", address: "198.51.100.7/24", interface: 1, gateway: "198.51.100.1" }],
    },
    "0.4.0": {
      interfaces: [{ name: "br0" }, { name: "net0", sandbox: "/run/netns/pod1" }],
      ips: [{ version: "4", address: "198.51.100.7/24", interface: 1 }],
      routes: [{ dst: "198.51.100.0/24" }],
    },
    "1.0.0": {
      interfaces: [{ name: "br0" }, { name: "net0", sandbox: "/run/netns/pod1" }],
      ips: [{ address: "198.51.100.7/24", interface: 1 }],
      dns: { search: ["before.example"] },
    },
    "1.1.0": {
      interfaces: [
        { name: "br0", mtu: 9000 },
        { name: "net0", sandbox: "/run/netns/pod1", socketPath: "/a", pciID: "b" },
      ],
      ips: [{ address: "198.51.100.7/24", interface: 1 }],
      routes: [{ dst: "198.51.100.0/24", mtu: 1300, advmss: 1200, priority: 7, table: 100, scope: 253 }],
    },
  };
  test.each(Object.entries(before))(
    "of %s from the plugin before stays and comes first",
    async (cniVersion, prev) => {
      const prevResult = { cniVersion, dns: {}, routes: [], ...prev };
      await pod.wired(network({ cniVersion, prevResult }), ({ json }) => {
        expect(json.interfaces.slice(0, 2)).toEqual(prev.interfaces);
        expect(json.interfaces).toHaveLength(2 + shape.hostInterfaces + 1);
        expect(json.ips[0]).toEqual(prev.ips[0]);
        expect(json.interfaces[json.ips[1].interface]).toMatchObject({ name: "eth0" });
        if ("routes" in prev) expect(json.routes[0]).toEqual(prev.routes[0]);
        if ("dns" in prev) expect(json.dns).toEqual(prev.dns);
      });
    },
  );

  test.each(["0.1.0", "0.2.0"])("of %s is taken too", async (cniVersion) => {
    const prevResult = { cniVersion, ip6: { ip: "fd99::7/64" }, dns: { nameservers: ["10.9.9.9"] } };
    await pod.wired(network({ cniVersion, prevResult }), ({ json }) => {
      expect(json.ip4.ip).toMatch(/^10\.244\.1\./);
      expect(json.ip6.ip).toBe("fd99::7/64");
      expect(json.dns).toEqual({ nameservers: ["10.9.9.9"] });
    });
  });

  test("that is none of this attachment fails CHECK with code 104", async () => {
    const config = network();
    await pod.wired(config, async ({ json }) => {
      const foreign = { ...json, ips: [{ address: "10.244.1.250/32" }] };
      const answer = await cni(pod.node, { verb: "CHECK", config: { ...config, prevResult: foreign } });
      expectFailure(answer, 104, json.ips[0].address);
    });
  });

  test("is required by CHECK", async () => {
    await pod.wired(network(), async () => {
      expectFailure(await cni(pod.node, { verb: "CHECK", config: network() }), 7, "prevResult");
    });
  });

  test("shows the changes of plugins after us: MTU, and MAC where a pod has its own", async () => {
    const config = network();
    await pod.wired(config, async ({ json }) => {
      const address = shape.hasOwnMac ? ["address", "0a:00:00:00:00:99"] : [];
      await pod.node.runIn("pod1", "ip", "link", "set", "eth0", "mtu", "1300", ...address);
      const changed = { mtu: 1300, ...(shape.hasOwnMac ? { mac: "0A:00:00:00:00:99" } : {}) };
      const interfaces = json.interfaces.map((link: { name: string }) =>
        link.name === "eth0" ? { ...link, ...changed } : link,
      );
      await succeed(pod.node, { verb: "CHECK", config: { ...config, prevResult: { ...json, interfaces } } });
    });
  });
});
