// What doctor makes of a card's features where the overlay is stt.
import { expect, test } from "vitest";
import { sttFindings } from "../../src/cli/doctor/stt.ts";

const features = (tso: string, udpTunnels: string) =>
  new Map([
    ["tcp-segmentation-offload", tso],
    ["tx-udp_tnl-segmentation", udpTunnels],
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
