import { describe, expect, test } from "vitest";
import { parseNetwork } from "../../src/config/load.ts";
import { datapathOf } from "../../src/datapath/choice.ts";
import { datapaths } from "../../src/datapath/registry.ts";

const config = (changes: object) =>
  parseNetwork({ name: "podnet", type: "podwire", ipam: { type: "host-local" }, ...changes });

describe("the datapath of a network", () => {
  test.each([{}, { datapath: "veth" }, { overlay: { type: "none" } }])("is veth for %j", (changes) => {
    expect(datapathOf(config(changes))).toBe(datapaths["veth"]);
  });
});
