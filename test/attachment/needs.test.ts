import { describe, expect, test } from "vitest";
import { requirePrograms, requireUnderlay } from "../../src/attachment/needs.ts";
import { thrown } from "../cni/thrown.ts";
import { scripts } from "../linux/scripts.ts";
import { call } from "./call.ts";

function pathWith(...programs: string[]): string {
  const { directory, install } = scripts();
  for (const program of programs) install(program, "exit 0");
  return directory;
}

const withUnderlay = (underlay: string) => call({ config: { overlay: { type: "none", underlay } } }).config;

describe("the programs that ADD needs", () => {
  test("are iproute2 and nsenter, and nft for masquerading only", () => {
    requirePrograms(call({ PATH: pathWith("ip", "nsenter") }));
    requirePrograms(call({ PATH: pathWith("ip", "nsenter", "nft"), config: { ipMasq: true } }));
    for (const [programs, config, missing] of [
      [["nsenter"], {}, "iproute2"],
      [["ip"], {}, "util-linux"],
      [["ip", "nsenter"], { ipMasq: true }, "nftables"],
    ] as const) {
      const { code, details } = thrown(() => requirePrograms(call({ PATH: pathWith(...programs), config })));
      expect([code, details]).toEqual([102, expect.stringContaining(missing)]);
    }
  });
});

test("an underlay that does not exist is refused with code 7 and its name", () => {
  requireUnderlay(call().config);
  requireUnderlay(withUnderlay("lo"));
  expect(thrown(() => requireUnderlay(withUnderlay("nonexistent")))).toMatchObject({
    code: 7,
    details: expect.stringContaining('overlay.underlay = "nonexistent"'),
  });
});
