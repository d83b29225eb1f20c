// What changes nothing on the machine; the rest is tested with real pods.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { hostLinkExists } from "../../src/linux/links.ts";
import { readHostSysctl, writeHostSysctl } from "../../src/linux/sysctl.ts";
import { thrown } from "../cni/thrown.ts";

describe("a setting of the host", () => {
  test("is read without its line break", () => {
    expect(readHostSysctl("kernel/ostype")).toBe("Linux");
    expect(readHostSysctl("kernel/ngroups_max")).toBe(
      fs.readFileSync("/proc/sys/kernel/ngroups_max", "utf8").trim(),
    );
  });

  test.each(["net/ipv4/conf/nonexistent/forwarding", "kernel", "", "kernel/ostype/more"])(
    "that cannot be read, %j, is none",
    (key) => {
      expect(readHostSysctl(key)).toBeUndefined();
    },
  );

  test("is not written when it is as wanted, even where nobody could write it", () => {
    writeHostSysctl("kernel/ostype", "Linux");
  });

  test.each([
    ["kernel/ostype", "BeOS"],
    ["net/ipv4/conf/nonexistent/forwarding", "1"],
  ])("that the kernel refuses is named with its value: %s = %s", (key, value) => {
    expect(thrown(() => writeHostSysctl(key, value))).toMatchObject({
      code: 100,
      details: expect.stringContaining(`sysctl ${key} = ${value}`),
    });
  });
});

test("a link of the host is seen without asking iproute2", () => {
  expect(hostLinkExists("lo")).toBe(true);
  expect(hostLinkExists("pw0000000000000")).toBe(false);
});
