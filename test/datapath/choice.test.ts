import { describe, expect, test } from "vitest";
import { parseNetwork } from "../../src/config/load.ts";
import { datapathOf } from "../../src/datapath/choice.ts";
import { datapaths } from "../../src/datapath/registry.ts";
import { thrown } from "../cni/thrown.ts";

const config = (changes: object) =>
  parseNetwork({ name: "podnet", type: "podwire", ipam: { type: "host-local" }, ...changes });

describe("the datapath of a network", () => {
  test.each([{}, { datapath: "veth" }, { overlay: { type: "none" } }])("is veth for %j", (changes) => {
    expect(datapathOf(config(changes))).toBe(datapaths["veth"]);
  });

  test("is refused with code 7 and what there is, where this version does not have it", () => {
    for (const datapath of ["ipvlan", "ovs"].filter((name) => !Object.hasOwn(datapaths, name))) {
      const { code, details } = thrown(() => datapathOf(config({ datapath })));
      expect([code, details]).toEqual([7, expect.stringContaining(`datapath = "${datapath}"`)]);
      expect(details).toContain(`available: ${Object.keys(datapaths).join(", ")}`);
    }
  });
});
