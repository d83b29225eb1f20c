// What others keep among the runtimes' configurations is none of podwire's business, whatever it is.
import { expect, test } from "vitest";
import { declare } from "./cluster.ts";
import { loneNode } from "./lone-node.ts";

const node = loneNode();

const vxlan = {
  type: "vxlan",
  peers: [{ node: "n2", address: "192.0.2.2", podCIDRs: ["10.244.2.0/24"] }],
};

test("apply goes by podwire's own alone", async () => {
  declare(node(), vxlan);
  const directory = "/etc/cni/net.d";
  node().write(`${directory}/99-loopback.conf`, JSON.stringify({ cniVersion: "0.2.0", type: "loopback" }));
  node().write(`${directory}/notes.json`, "no configuration");
  node().write(`${directory}/empty.conf`, "");
  await node().run("mkdir", `${directory}/old.conf`);
  const { exitCode, stdout, stderr } = await node().podwire("apply");
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain("overlay vxlan");
});

test("one of podwire's that cannot be used is named", async () => {
  declare(node(), vxlan);
  const file = "/etc/cni/net.d/20-mine.conflist";
  node().write(file, JSON.stringify({ cniVersion: "1.1.0", plugins: [{ type: "podwire" }] }));
  const { exitCode, stderr } = await node().podwire("apply");
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`${file}: name is missing`);
});
