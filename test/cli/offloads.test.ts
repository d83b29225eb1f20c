// What doctor says of offloads that tunnels depend on, from what ethtool says of the links.
import { describe, expect, test } from "vitest";
import { findings, type Offloads } from "../../src/cli/doctor/offloads.ts";

const usual: Offloads = {
  underlay: {
    name: "eth0",
    driver: "ixgbe",
    features: new Map([
      ["generic-receive-offload", "on"],
      ["rx-checksumming", "on"],
      ["tx-udp_tnl-csum-segmentation", "on"],
    ]),
  },
  device: {
    name: "pw-vxlan",
    features: new Map([
      ["generic-receive-offload", "on"],
      ["tx-checksumming", "on"],
      ["tx-checksum-ip-generic", "on"],
    ]),
  },
  udpcsum: true,
  segmentation: "tx-udp_tnl-csum-segmentation",
  port: 8472,
  kernel: "6.1.0-50-cloud-amd64",
};

const off = (link: Offloads["device"], feature: string) => ({
  ...link,
  features: new Map([...link.features, [feature, "off"]]),
});
const vmxnet3 = { ...usual.underlay, driver: "vmxnet3" };
const oldKernel = "5.4.0-26-generic";

describe("doctor on offloads", () => {
  test("is content with a card that knows tunnels", () => {
    expect(findings(usual)).toMatchObject([{ level: "ok", found: "eth0 segments tunnelled packets itself" }]);
  });

  test.each<[string, Partial<Offloads>, RegExp]>([
    [
      "a driver that spoils checksums of this port",
      { underlay: vmxnet3 },
      /vmxnet3 spoils them for ports other than 4789/,
    ],
    [
      "NAT of a kernel that spoils missing checksums",
      { kernel: oldKernel, udpcsum: false },
      /NAT of kernel 5\.4\.0-26-generic spoils/,
    ],
    ["checksums that are turned off", { udpcsum: false }, /overlay\.udpcsum is false/],
    [
      "the cure",
      { device: off(usual.device, "tx-checksumming") },
      /pw-vxlan has its checksums made by the processor/,
    ],
    [
      "no GRO",
      { device: off(usual.device, "generic-receive-offload") },
      /pw-vxlan does not join received packets/,
    ],
    ["no verification", { underlay: off(usual.underlay, "rx-checksumming") }, /eth0 does not verify/],
  ])("warns of %s", (_, changes, words) => {
    expect(findings({ ...usual, ...changes }).map(({ level, found }) => `${level} ${found}`)).toEqual(
      expect.arrayContaining([expect.stringMatching(words)]),
    );
  });

  test.each<[string, Partial<Offloads>]>([
    ["that driver on the port that it knows", { underlay: vmxnet3, port: 4789 }],
    [
      "that driver where the cure has been taken",
      { underlay: vmxnet3, device: off(usual.device, "tx-checksum-ip-generic") },
    ],
    ["that kernel with checksums in the outer header", { kernel: oldKernel }],
  ])("does not mind %s", (_, changes) => {
    expect(findings({ ...usual, ...changes })).toMatchObject([{ level: "ok" }]);
  });
});
