// The ready files of conf/, read the way podwire reads them on a node.
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { podwireEntry } from "../../build/conflist.ts";
import { parseNetwork } from "../../src/config/load.ts";
import { nodeSchema } from "../../src/config/network.ts";
import { requireSupported } from "../../src/datapath/choice.ts";
import { ovsPortTypes } from "../../src/datapath/datapath.ts";
import { parseConfig } from "../../src/ipam/host-local/config.ts";
import { ipvlanModes } from "../../src/plan/plan.ts";

const directory = path.join(import.meta.dirname, "../../conf");
const conflists = fs.readdirSync(directory).filter((file) => file.endsWith(".conflist"));

describe.each(conflists)("conf/%s", (file) => {
  const entry = () => podwireEntry(path.join(directory, file));

  test("is a configuration that this version can wire", () => {
    const config = parseNetwork(entry());
    expect(() => requireSupported(config)).not.toThrow();
    expect(() => parseConfig(config)).not.toThrow();
  });

  test("is of a version that podman 4, containerd 1.6 and the reference plugins know", () => {
    expect(entry()["cniVersion"]).toBe("1.0.0");
  });
});

test("conf/ has a conflist for IPv4 and one for both families", () => {
  expect(conflists).toEqual(expect.arrayContaining(["10-podwire.conflist", "10-podwire-dualstack.conflist"]));
});

describe("conf/ has a conflist, which docs/datapaths.md names,", () => {
  const page = fs.readFileSync(path.join(directory, "../docs/datapaths.md"), "utf8");
  const modes = conflists.map((file) => {
    const { datapath = "veth", ipvlan, ovs } = parseNetwork(podwireEntry(path.join(directory, file)));
    const mode =
      datapath === "ipvlan" ? ipvlan?.mode : datapath === "ovs" ? (ovs?.portType ?? "veth") : undefined;
    return { name: path.basename(file, ".conflist"), mode: [datapath, mode].filter(Boolean).join(" ") };
  });

  test.each([
    "veth",
    ...ipvlanModes.map((mode) => `ipvlan ${mode}`),
    ...ovsPortTypes.map((type) => `ovs ${type}`),
  ])("for %s", (wanted) => {
    const names = modes.filter(({ mode }) => mode === wanted).map(({ name }) => name);
    expect(names).not.toEqual([]);
    for (const name of names) expect(page).toContain(`\`${name}\``);
  });
});

test("conf/node.json has only keys and values that a node file may have", () => {
  const document: unknown = JSON.parse(fs.readFileSync(path.join(directory, "node.json"), "utf8"));
  expect(nodeSchema.safeParse(document).error?.issues).toBeUndefined();
});
