// The text between podwire and podwire-bypass-ctl.
import { describe, expect, test } from "vitest";
import {
  type BypassConfiguration,
  configurationText,
  parseCounters,
  parseState,
  readBypass,
} from "../../src/bypass/control.ts";
import type { Host } from "../../src/kernel-module/host.ts";

const configuration: BypassConfiguration = {
  mode: "bypass",
  lease: 60,
  pods: ["10.244.0.0/16", "fd00:10:244::/48"],
  excluded: ["10.244.1.7/32"],
  node: ["192.0.2.1/32"],
  peers: ["192.0.2.2/32"],
  tunnels: ["udp 8472"],
};

describe("a configuration", () => {
  test("is a line for each thing", () => {
    expect(configurationText(configuration, 3)).toBe(
      "mode bypass\nlease 60\ngeneration 3\npod 10.244.0.0/16\npod fd00:10:244::/48\n" +
        "exclude 10.244.1.7/32\nnode 192.0.2.1/32\npeer 192.0.2.2/32\ntunnel udp 8472\n",
    );
  });

  test("is read as it is written", () => {
    expect(parseState(`${configurationText(configuration, 3)}left 42\n`)).toEqual({
      ...configuration,
      generation: 3,
      left: 42,
    });
  });

  test("that has no mode is refused", () => {
    expect(() => parseState("nonsense")).toThrow("the bypass module refused");
  });
});

test("counters are hook, reason, packets and bytes", () => {
  expect(parseCounters("prerouting pod 12 3400 \nforward pod 12 3400 \n")).toEqual([
    { hook: "prerouting", reason: "pod", packets: 12, bytes: 3400 },
    { hook: "forward", reason: "pod", packets: 12, bytes: 3400 },
  ]);
});

describe("what fails", () => {
  const host = (outcome: Awaited<ReturnType<Host["ask"]>>): Host => ({ ask: async () => outcome });

  test("says the kernel's words", async () => {
    const refusing = host({
      stdout: "",
      stderr: "podwire-bypass-ctl: Invalid argument: a port is 0\n",
      exitCode: 1,
    });
    await expect(readBypass(refusing)).rejects.toMatchObject({
      details: "get: Invalid argument: a port is 0",
    });
  });

  test("names the program that is missing", async () => {
    await expect(readBypass(host(undefined))).rejects.toMatchObject({ code: 102 });
  });
});
