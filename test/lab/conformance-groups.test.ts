import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { groupsOf } from "./fixture/conformance-groups.ts";

const directory = path.resolve(import.meta.dirname, "../netns");
const files = fs.readdirSync(directory).flatMap((name) => /^(.*)\.test\.ts$/.exec(name)?.[1] ?? []);

describe("the conformance tests that run in guests for a release", () => {
  test("are all there are, each once, for Open vSwitch", () => {
    expect(groupsOf("ovs", true).flat().toSorted()).toEqual(files.toSorted());
  });

  test.each(["veth", "ipvlan"] as const)("are all but Open vSwitch's own for %s", (datapath) => {
    const expected = files.filter((name) => !name.startsWith("ovs-"));
    expect(groupsOf(datapath, true).flat().toSorted()).toEqual(expected.toSorted());
  });
});
