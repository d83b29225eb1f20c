import { describe, expect, test } from "vitest";
import { parseNetwork } from "../../src/config/load.ts";
import { datapathOf, requireSupported } from "../../src/datapath/choice.ts";
import { datapaths } from "../../src/datapath/registry.ts";

const config = (changes: object) =>
  parseNetwork({ name: "podnet", type: "podwire", ipam: { type: "host-local" }, ...changes });

describe("the datapath of a network", () => {
  test.each([{}, { datapath: "veth" }, { overlay: { type: "none" } }])("is veth for %j", (changes) => {
    expect(datapathOf(config(changes))).toBe(datapaths["veth"]);
  });

  test.each([
    [{ mode: "l2" }, "l2 bridge"],
    [{ mode: "l3" }, "l3 bridge"],
    [{ flag: "private" }, "l3s private"],
    [{ mode: "l3s", flag: "vepa" }, "l3s vepa"],
  ])("is refused for pods of ipvlan %j that are to be masqueraded", (ipvlan, words) => {
    const wish = config({ datapath: "ipvlan", ipvlan, ipMasq: true });
    expect(() => requireSupported(wish)).toThrow(expect.objectContaining({ code: 7 }));
    expect(() => requireSupported(wish)).toThrow(
      expect.objectContaining({ details: expect.stringContaining(words) }),
    );
    expect(() => requireSupported({ ...wish, ipMasq: false })).not.toThrow();
    expect(datapathOf(wish)).toBe(datapaths["ipvlan"]);
  });
});
