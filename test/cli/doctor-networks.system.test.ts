// What `podwire doctor` says of the network configurations on a node.
import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { TestNode } from "../fixture/node.ts";
import { binDir, confDir, configure, examine, startConfiguredNode } from "./examination.ts";
import { cannotMakeNodes } from "./root.ts";

describe.skipIf(cannotMakeNodes("podwire doctor"))("podwire doctor, of networks,", () => {
  let node: TestNode;
  beforeEach(async () => {
    node = await startConfiguredNode();
  });
  afterEach(async () => node.stop());

  test("counts the addresses that are left", async () => {
    configure(node, {
      ipam: { type: "host-local", ranges: [[{ subnet: "10.9.0.0/29", rangeEnd: "10.9.0.3" }]] },
    });
    expect((await examine(node)).about("addresses")[0]).toMatchObject({
      level: "ok",
      found: "10.9.0.1-10.9.0.3 has 2 addresses, 0 in use",
    });
    const store = node.file("/var/lib/cni/networks/podnet");
    fs.mkdirSync(store, { recursive: true });
    for (const last of [2, 3]) fs.writeFileSync(path.join(store, `10.9.0.${last}`), `pod${last}\r\neth0`);
    const { level, exitCode } = await examine(node);
    expect(level("addresses")).toEqual(["error"]);
    expect(exitCode).toBe(1);
  });

  test("explains a configuration that no pod can be wired by", async () => {
    configure(node, { mtu: 5 });
    const { about, exitCode } = await examine(node);
    expect(about("configuration")[0]).toMatchObject({ level: "error" });
    expect(about("configuration")[0]?.found).toContain("mtu = 5");
    expect(exitCode).toBe(1);
  });

  test("warns of a firewall by where the pods of each datapath meet it", async () => {
    for (const hook of ["forward", "input"]) {
      const chain = `chain inet own ${hook} { type filter hook ${hook} priority 0; policy drop; }`;
      await node.run("nft", `add table inet own; add ${chain}`);
    }
    configure(node, { datapath: "ovs" });
    const [forwarded] = (await examine(node)).about("firewall");
    expect(forwarded?.found).toContain("chain inet own forward drops by default");
    const byBridge = ["iifname", "oifname"].map(
      (way) => `nft insert rule inet own forward ${way} "podwire0" accept`,
    );
    expect(forwarded?.fix).toBe(byBridge.join("; "));
    await node.run("sh", "-c", byBridge[0] ?? "");
    expect((await examine(node)).level("firewall of forwarded packets")).toEqual(["ok"]);

    configure(node, { datapath: "ipvlan", ipam: { type: "host-local", subnet: "10.244.1.0/24" } });
    const [received] = (await examine(node)).about("firewall of what ipvlan l3s pods receive");
    expect(received?.level).toBe("warning");
    expect(received?.fix).toBe("nft insert rule inet own input ip daddr 10.244.1.0/24 accept");
    await node.run("sh", "-c", received?.fix ?? "");
    expect((await examine(node)).level("firewall of what ipvlan l3s pods receive")).toEqual(["ok"]);
  });

  test("goes on without the directory of configurations", async () => {
    fs.rmSync(node.file(confDir), { recursive: true });
    fs.writeFileSync(node.file(confDir), "");
    const { about, level } = await examine(node);
    expect(about("configurations")[0]?.found).toContain("not checked: ENOTDIR");
    expect(level("kernel veth")).toEqual(["ok"]);
  });

  test("finds plugins of the chain that are not installed", async () => {
    fs.rmSync(node.file(path.join(binDir, "podwire")));
    expect((await examine(node)).about("configuration")[0]).toMatchObject({
      level: "error",
      found: `podwire not in ${binDir}`,
      fix: "podwire install",
    });
  });

  test("warns when another network comes first", async () => {
    fs.writeFileSync(
      node.file(path.join(confDir, "05-other.conflist")),
      JSON.stringify({ cniVersion: "1.0.0", name: "other", plugins: [{ type: "bridge" }] }),
    );
    const { about } = await examine(node);
    expect(about("first configuration")[0]).toMatchObject({ level: "warning" });
    expect(about("first configuration")[0]?.found).toBe("05-other.conflist comes before 10-podnet.conflist");
  });

  test("warns of pods whose MTU is larger than the underlay's", async () => {
    configure(node, { mtu: 9000 });
    expect((await examine(node)).about("MTU of network podnet")[0]).toMatchObject({
      level: "warning",
      found: "pods have MTU 9000, uplink has 1500",
    });
  });
});
