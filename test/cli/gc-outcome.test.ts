import { expect, test } from "vitest";
import { type Outcome, untold } from "../../src/cli/gc-outcome.ts";

const outcome = (containerID: string, action: Outcome["action"]): Outcome => ({
  network: "podnet",
  containerID,
  ifname: "eth0",
  action,
  why: "",
});

test("an attachment without a record is told of once, by its port or by its link", () => {
  const links = ["pod1", "pod2"].map((pod) => outcome(pod, "unrecorded"));
  const [first, second] = links;
  expect(untold(links, [outcome("pod1", "unrecorded")])).toEqual([second]);
  expect(untold(links, [outcome("pod2", "removed")])).toEqual([first, second]);
  const failure = outcome("pod1", "failed");
  expect(untold([failure], [outcome("pod1", "unrecorded")])).toEqual([failure]);
});
