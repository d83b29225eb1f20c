// What the kernel's counters say of whether packets get to ovs-vswitchd, as `dpctl/show` prints them.
import { describe, expect, test } from "vitest";
import { parseHearing } from "../../../src/linux/ovs/hearing.ts";

const datapath = (name: string, lookups: string) =>
  `${name}:\n  lookups: ${lookups}\n  flows: 0\n  port 0: x (internal)\n`;

describe("ovs-vswitchd", () => {
  test.each([
    ["hears what is not lost", "hit:15 missed:13 lost:0", "hears"],
    ["hears if some are lost in a rush", "hit:0 missed:13 lost:12", "hears"],
    ["is deaf if all are lost", "hit:0 missed:58 lost:58", "deaf"],
    ["has not been asked if none was missed", "hit:0 missed:0 lost:0", "no packets yet"],
  ])("%s", (_what, lookups, hearing) => {
    expect(parseHearing(datapath("system@ovs-system", lookups))).toBe(hearing);
    const userspace = datapath("netdev@ovs-netdev", "hit:0 missed:5 lost:5");
    expect(parseHearing(userspace + datapath("system@ovs-system", lookups))).toBe(hearing);
  });

  test("is not deaf without a datapath in the kernel", () => {
    expect(parseHearing(datapath("netdev@ovs-netdev", "hit:0 missed:5 lost:5"))).toBe("no packets yet");
    expect(parseHearing("")).toBe("no packets yet");
  });
});
