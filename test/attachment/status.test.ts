import { describe, expect, test } from "vitest";
import { status } from "../../src/attachment/status.ts";
import { rejected } from "../cni/thrown.ts";
import { scripts } from "../linux/scripts.ts";
import { call } from "./call.ts";

function pathWith(...programs: string[]): string {
  const { directory, install } = scripts();
  for (const program of programs) install(program, "exit 0");
  return directory;
}

describe("STATUS", () => {
  test("says with code 50 what is missing", async () => {
    expect(await rejected(status(call({ PATH: pathWith("ip") })))).toMatchObject({
      code: 50,
      details: expect.stringContaining("util-linux"),
    });
  });

  test.each([{ overlay: { type: "host-gw", peers: [] } }, { datapath: "ovs" }])(
    "asks for the program that holds locks with %j",
    async (config) => {
      const PATH = pathWith("ip", "nsenter", "tee", "cat", "ovs-vsctl", "ovs-ofctl");
      expect(await rejected(status(call({ PATH, config })))).toMatchObject({
        code: 50,
        details: expect.stringContaining("flock"),
      });
    },
  );

  test("says with code 7 what the configuration asks in vain", async () => {
    const PATH = pathWith("ip", "nsenter", "tee", "cat");
    const config = { overlay: { type: "none", underlay: "nonexistent" } };
    expect(await rejected(status(call({ PATH, config })))).toMatchObject({
      code: 7,
      details: expect.stringContaining("nonexistent"),
    });
  });
});
