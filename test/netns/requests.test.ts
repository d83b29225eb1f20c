// What a runtime may ask for: MAC, addresses, ranges and DNS settings, and which wish wins.
import fs from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type CniAnswer, cni, dualStackIpam, network } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { shape } from "../fixture/shape/shape.ts";
import { sharedPod } from "../fixture/shared-pod.ts";

const pod = sharedPod();

const mac = "0a:58:0a:f4:01:07";

const ofItsOwn = () => {
  test("is that of the runtime's capability, also in capitals", async () => {
    await pod.wired(network({ runtimeConfig: { mac: mac.toUpperCase() } }), async ({ json }) => {
      expect(json.interfaces.at(-1).mac.toLowerCase()).toBe(mac);
      expect((await pod.ip("link", "show", "dev", "eth0"))[0].address).toBe(mac);
    });
  });

  test("is that of CNI_ARGS, unless the capability says otherwise", async () => {
    const args = `MAC=${mac}`;
    await pod.wired(network(), ({ json }) => expect(json.interfaces.at(-1).mac).toBe(mac), { args });
    const runtimeConfig = { mac: "0a:00:00:00:00:01" };
    const expected = expect.objectContaining({ mac: runtimeConfig.mac });
    await pod.wired(
      network({ runtimeConfig }),
      ({ json }) => expect(json.interfaces.at(-1)).toEqual(expected),
      {
        args,
      },
    );
  });
};

const ofItsNode = () => {
  test("is refused with code 2 if it is another one, and the error says whose it has", async () => {
    const [uplink] = JSON.parse(await pod.node.run("ip", "-json", "link", "show", "dev", "uplink"));
    const config = network({ runtimeConfig: { mac } });
    const words = [mac, "uplink", uplink.address];
    expectFailure(await cni(pod.node, { verb: "ADD", config }), 2, ...words);
    expectFailure(await cni(pod.node, { verb: "ADD", config: network(), args: `MAC=${mac}` }), 2, ...words);
  });

  test("may be asked for", async () => {
    const [uplink] = JSON.parse(await pod.node.run("ip", "-json", "link", "show", "dev", "uplink"));
    await pod.wired(network({ runtimeConfig: { mac: uplink.address.toUpperCase() } }), async ({ json }) => {
      expect(json.interfaces.at(-1).mac).toBe(uplink.address);
      expect((await pod.ip("link", "show", "dev", "eth0"))[0].address).toBe(uplink.address);
    });
  });
};

if (shape.hasOwnMac) describe("the MAC of a pod that has one of its own", ofItsOwn);
else describe("the MAC of a pod that has its node's", ofItsNode);

describe("a MAC that is none of a pod", () => {
  test.each(["01:00:5e:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "0a:58", "x", 7])(
    "is refused with code 7: %j",
    async (bad) => {
      const config = network({ runtimeConfig: { mac: bad } });
      expectFailure(await cni(pod.node, { verb: "ADD", config }), 7, "mac");
    },
  );
});

describe("requested addresses", () => {
  const expectIp =
    (address: string) =>
    ({ json }: CniAnswer) => {
      expect(json.ips.map((ip: { address: string }) => ip.address)).toContain(address);
    };

  test("come from CNI_ARGS, args.cni.ips and runtimeConfig.ips, with or without prefix length", async () => {
    await pod.wired(network(), expectIp("10.244.1.77/32"), { args: "IP=10.244.1.77" });
    await pod.wired(network({ args: { cni: { ips: ["10.244.1.78"] } } }), expectIp("10.244.1.78/32"));
    await pod.wired(network({ runtimeConfig: { ips: ["10.244.1.79/24"] } }), expectIp("10.244.1.79/32"));
  });

  test("may be one of each family", async () => {
    const runtimeConfig = { ips: ["fd00:10:244:1::abc", "10.244.1.80"] };
    await pod.wired(network({ ipam: dualStackIpam, runtimeConfig }), (answer) => {
      expectIp("10.244.1.80/32")(answer);
      expectIp("fd00:10:244:1::abc/128")(answer);
    });
  });

  test("that cannot be had fail with code 103 or 7 and take nothing", async () => {
    for (const ip of ["10.9.9.9", "10.244.1.1", "10.244.1.255", "fd00::1", "nonsense", ""]) {
      const answer = await cni(pod.node, { verb: "ADD", config: network({ runtimeConfig: { ips: [ip] } }) });
      expectFailure(answer, [7, 103], ip);
    }
    expect(
      fs.readdirSync(pod.node.file("/var/lib/cni/networks/podnet")).filter((file) => /^\d/.test(file)),
    ).toEqual([]);
  });

  test("come out of ranges that the runtime gives", async () => {
    const runtimeConfig = {
      ipRanges: [[{ subnet: "10.245.0.0/16", rangeStart: "10.245.3.7", rangeEnd: "10.245.3.9" }]],
    };
    const ipam = { type: "host-local", routes: [{ dst: "0.0.0.0/0" }] };
    await pod.wired(network({ ipam, runtimeConfig }), expectIp("10.245.3.7/32"));
  });
});

describe("DNS settings", () => {
  const resolvConf = "/run/resolv.conf";
  const ipam = { type: "host-local", ranges: [[{ subnet: "10.244.1.0/24" }]], resolvConf };
  beforeAll(() => {
    const lines = ["nameserver 10.0.0.1", "search ipam.example", "options ndots:1", "domain ipam.example"];
    fs.writeFileSync(pod.node.file(resolvConf), lines.join("\n"));
  });

  test("come from the IPAM's resolvConf", async () => {
    await pod.wired(network({ ipam }), ({ json }) =>
      expect(json.dns).toEqual({
        nameservers: ["10.0.0.1"],
        search: ["ipam.example"],
        options: ["ndots:1"],
        domain: "ipam.example",
      }),
    );
  });

  test("of the configuration win over the IPAM's, and the runtime's over both", async () => {
    const dns = { nameservers: ["10.0.0.2"], search: ["config.example"] };
    const runtimeConfig = {
      dns: { servers: ["10.0.0.3"], searches: ["a.example", "b.example"], options: ["x"] },
    };
    await pod.wired(network({ ipam, dns }), ({ json }) => expect(json.dns).toMatchObject(dns));
    await pod.wired(network({ ipam, dns, runtimeConfig }), ({ json }) =>
      expect(json.dns).toMatchObject({
        nameservers: ["10.0.0.3"],
        search: ["a.example", "b.example"],
        options: ["x"],
      }),
    );
  });
});
