// What ADD says in the log of modes of ipvlan in which Services do not work. The pod's netns is missing, so that nothing is made.
import { expect, test } from "vitest";
import { add } from "../../src/attachment/add.ts";
import { rejected } from "../cni/thrown.ts";
import { call } from "./call.ts";
import { pathOn } from "./ipvlan-host.ts";

test.each([
  [
    "l2",
    [
      "ipvlan mode l2: what pods receive passes no netfilter of this node, nor what they send within their subnet, " +
        "so Services do not work; l3s has them",
    ],
  ],
  [
    "l3",
    [
      "ipvlan mode l3: what pods receive passes no netfilter of this node, so Services do not work; l3s has them",
    ],
  ],
  ["l3s", []],
])("%s", async (mode, expected) => {
  const warnings: string[] = [];
  const asked = call({ PATH: pathOn({}), config: { datapath: "ipvlan", ipvlan: { master: "lo", mode } } });
  const environment = { ...asked.environment, netns: "/run/netns/of-no-pod" };
  const log = { ...asked.log, warn: (message: string) => void warnings.push(message) };
  expect(await rejected(add({ ...asked, environment, log }))).toMatchObject({ code: 8 });
  expect(warnings).toEqual(expected);
});
