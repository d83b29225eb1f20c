// What doctor makes of a card's features where the overlay is stt, and of what a probe saw.
import { expect, test } from "vitest";
import { sttFindings } from "../../src/cli/doctor/stt.ts";
import { judgeStt } from "../../src/cli/doctor/stt-path.ts";

const features = (tso: string, udpTunnels: string) =>
  new Map([
    ["tcp-segmentation-offload", tso],
    // With the checksums that podwire's tunnels have by default.
    ["tx-udp_tnl-segmentation", "on"],
    ["tx-udp_tnl-csum-segmentation", udpTunnels],
  ]);

test("nothing is said of a card that segments TCP and no UDP tunnels", () => {
  expect(sttFindings({}, "eth0", features("on", "off"))).toEqual([]);
});

test.each([
  ["a card without TSO", {}, features("off", "off"), /eth0 does not segment TCP/, /ethtool -K eth0 tso on/],
  ["a card that segments UDP tunnels", {}, features("on", "on"), /segments UDP tunnels itself/, /measure/],
  ["an output that is tracked", { output: "full" } as const, features("on", "off"), /broken TCP/, /notrack/],
])("warns of %s", (_, config, found, words, fix) => {
  expect(sttFindings(config, "eth0", found)).toEqual([
    expect.objectContaining({
      level: "warning",
      found: expect.stringMatching(words),
      fix: expect.stringMatching(fix),
    }),
  ]);
});

const underlay = { link: "eth0", mtu: 1500 };

test.each([
  [
    true,
    1500,
    "ok",
    "fine: pods' packets of 1408 bytes are answered on TCP port 7471, and the path takes 1500 bytes whole",
  ],
  [true, undefined, "ok", "what the path takes whole is not known"],
  [true, 1400, "warning", "MTU too small: of the 1500 bytes of eth0 only about 1400 arrive whole"],
  [false, 1400, "error", "MTU too small: of the 1500 bytes of eth0 only about 1400 arrive whole"],
  [false, 1500, "error", "large packets are lost"],
  [false, undefined, "error", "large packets are lost"],
] as const)(
  "a probe that saw large packets answered: %s, and %s bytes whole, says %s: %s",
  (isLargestAnswered, path, level, found) => {
    const seen = { port: "TCP port 7471", mtu: 1408, isLargestAnswered, path, underlay };
    expect(judgeStt("probe", seen)).toMatchObject({ level, found: expect.stringContaining(found) });
  },
);
