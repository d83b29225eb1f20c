// What the kernel says of an STT device against what was planned. That its sum is the kernel's own is seen in the lab.
import { describe, expect, test } from "vitest";
import type { SttSettings } from "../../src/plan/plan.ts";
import { listSum, type SttState, sttFault, sttPortInUse, sttStateAfter } from "../../src/plan/stt.ts";

const wanted: SttSettings = {
  kind: "stt-settings",
  where: "host",
  link: "pw-stt",
  port: 7471,
  output: "notrack",
  peers: ["192.0.2.2/32", "2001:db8::/64"],
};
const { peers: _, ...open } = wanted;

describe("an STT device", () => {
  test("is as planned with the same settings", () => {
    expect(sttFault(wanted, sttStateAfter(wanted))).toBeUndefined();
    expect(sttFault(open, { port: 7471, output: "notrack", peers: "any" })).toBeUndefined();
  });

  const same = sttStateAfter(wanted);
  const others: [string, SttState | undefined, string, string][] = [
    ["is not there", undefined, "a link of kind stt", "none"],
    ["has another port", { ...same, port: 7472 }, "port 7471", "port 7472"],
    ["has another output", { ...same, output: "full" }, "output notrack", "output full"],
    [
      "lets anybody send",
      { port: 7471, output: "notrack", peers: "any" },
      "a list of 2 peers",
      "another: anybody may send",
    ],
    ["has fewer peers", { ...same, peers: 1 }, "a list of 2 peers", "another: 1 peers may send"],
    [
      "has other peers",
      { ...same, sum: listSum(["192.0.2.3/32", "2001:db8::/64"]) },
      "a list of 2 peers",
      "another: 2 peers may send",
    ],
  ];
  test.each(others)("that %s differs", (_, state, expected, found) => {
    expect(sttFault(wanted, state)).toEqual({ expected, found });
  });

  test("with a list differs from one that anybody may send to", () => {
    expect(sttFault(open, same)).toEqual({ expected: "anybody may send", found: "2 peers may send" });
  });
});

test("a port that a program listens on is named when the device cannot go up", () => {
  const refusal = (line: string, words: string) => sttPortInUse([wanted], line, words)?.details;
  const up = "link set dev pw-stt alias podwire:overlay up";
  expect(refusal(up, "RTNETLINK answers: Address already in use")).toMatch(
    /^TCP port 7471 is in use by another program, so pw-stt cannot have it/,
  );
  expect(refusal(up, "RTNETLINK answers: Operation not permitted")).toBeUndefined();
  expect(refusal("link set dev pw-vxlan up", "RTNETLINK answers: Address already in use")).toBeUndefined();
});
