// Routes and results of the IPAM, host-local or delegated: the kernel has what they say.
import { describe, expect, test } from "vitest";
import { cni, dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { pluginDirectory } from "../fixture/programs.ts";
import { sharedPod } from "../fixture/shared-pod.ts";

const pod = sharedPod();

describe("routes of the IPAM", () => {
  test("are in the kernel with mtu, advmss, priority, table and scope", async () => {
    const routes = [
      { dst: "0.0.0.0/0" },
      { dst: "10.50.0.0/16", mtu: 1300, advmss: 1200, priority: 77 },
      { dst: "10.60.0.0/16", table: 200, priority: 5 },
      { dst: "10.70.0.0/16", scope: 253 },
    ];
    const ipam = { type: "host-local", ranges: [[{ subnet: "10.244.1.0/24" }]], routes };
    await pod.wired(network({ ipam }), async ({ json }) => {
      for (const route of routes) expect(json.routes).toContainEqual(expect.objectContaining(route));
      const main = await pod.ip("-N", "route", "show");
      expect(main).toContainEqual(
        expect.objectContaining({ dst: "10.50.0.0/16", metric: 77, metrics: [{ mtu: 1300, advmss: 1200 }] }),
      );
      expect(main).toContainEqual(expect.objectContaining({ dst: "10.70.0.0/16", scope: "253" }));
      const other = await pod.ip("route", "show", "table", "200");
      expect(other).toContainEqual(expect.objectContaining({ dst: "10.60.0.0/16", metric: 5 }));
    });
  });

  test("work the same for IPv6", async () => {
    const routes = [
      { dst: "::/0" },
      { dst: "fd50::/16", mtu: 1300, advmss: 1200, priority: 77 },
      { dst: "fd60::/16", table: 200 },
    ];
    const ipam = { type: "host-local", ranges: [[{ subnet: "fd00:10:244:1::/64" }]], routes };
    await pod.wired(network({ ipam }), async () => {
      expect(await pod.ip("-6", "route", "show")).toContainEqual(
        expect.objectContaining({ dst: "fd50::/16", metric: 77, metrics: [{ mtu: 1300, advmss: 1200 }] }),
      );
      expect(await pod.ip("-6", "route", "show", "table", "200")).toContainEqual(
        expect.objectContaining({ dst: "fd60::/16" }),
      );
    });
  });

  /** Values at which what the kernel keeps differs from what was asked for. */
  const odd = [
    { mtu: 0 },
    { advmss: 0 },
    { priority: 0 },
    { table: 0 },
    { scope: 0 },
    { table: 254 },
    { table: 255 },
    { table: 4294967295 },
    { mtu: 65535 },
    { mtu: 4294967295 },
    { advmss: 65535 },
    { priority: 4294967295 },
    { scope: 253 },
    { scope: 254 },
    { scope: 200 },
    { scope: 255 },
    { gw: "10.244.1.1" },
    { gw: "" },
  ];
  test.each(odd.flatMap((field) => [4, 6].map((family) => [field, family] as const)))(
    "with %j in IPv%i pass CHECK or are refused without a trace",
    async (field, family) => {
      const gw = "gw" in field && field.gw !== "" && family === 6 ? { gw: "fd00:10:244:1::1" } : {};
      const route = { dst: family === 4 ? "10.50.0.0/16" : "fd50::/32", ...field, ...gw };
      const config = network({ ipam: { ...dualStackIpam, routes: [route] } });
      const added = await cni(pod.node, { verb: "ADD", config });
      if (added.exitCode !== 0) {
        expectFailure(added, [7, 100]);
        return expect((await pod.ip("link", "show")).length).toBe(1);
      }
      const checked = await cni(pod.node, { verb: "CHECK", config: { ...config, prevResult: added.json } });
      await succeed(pod.node, { verb: "DEL", config });
      expect(checked.stdout).toBe("");
    },
  );

  test("may name the same destination twice", async () => {
    const routes = [{ dst: "0.0.0.0/0" }, { dst: "0.0.0.0/0" }, { dst: "10.1.2.3/8" }, { dst: "10.0.0.0/8" }];
    await pod.wired(network({ ipam: { ...dualStackIpam, routes } }));
  });
});

describe("a delegated IPAM's result", () => {
  const results = {
    "0.2.0": { ip4: { ip: "10.8.0.5/24", gateway: "10.8.0.1", routes: [{ dst: "0.0.0.0/0" }] } },
    "0.4.0": { ips: [{ version: "4", address: "10.8.0.5/24" }], routes: [{ dst: "0.0.0.0/0", gw: "" }] },
    "1.1.0": {
      ips: [{ address: "10.8.0.5/24", gateway: "10.8.0.1" }],
      routes: [
        { dst: "10.50.0.0/16", gw: "10.8.0.1", mtu: 1300, advmss: 1200, priority: 7, table: 100, scope: 0 },
      ],
      dns: { nameservers: ["10.8.0.1"] },
    },
  };
  test.each(Object.entries(results))("of %s is understood", async (cniVersion, result) => {
    const answer = JSON.stringify({ cniVersion, ...result });
    const path = pluginDirectory(pod.node, {
      stub: `[ $CNI_COMMAND = ADD ] && echo '${answer}'; cat >/dev/null; exit 0`,
    });
    await pod.wired(
      network({ cniVersion, ipam: { type: "stub" } }),
      async ({ json }) => {
        expect(JSON.stringify(json)).toContain("10.8.0.5/32");
        if (cniVersion !== "1.1.0") return;
        expect(json.dns.nameservers).toEqual(["10.8.0.1"]);
        expect(await pod.ip("route", "show", "table", "100")).toContainEqual(
          expect.objectContaining({ dst: "10.50.0.0/16", metric: 7, metrics: [{ mtu: 1300, advmss: 1200 }] }),
        );
      },
      { path },
    );
  });
});
