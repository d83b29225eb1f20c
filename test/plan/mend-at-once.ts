// Run on a test node: repairs of several pods at the same time, which all lost a link that they share, each of them with a
// route on it of its own.
import { mend } from "../../src/plan/mend.ts";
import type { PodPlan } from "../../src/plan/plan.ts";

const kernel = { searchPath: process.env["PATH"], deadline: AbortSignal.timeout(30_000) };
const planOf = (pod: number): PodPlan => [
  {
    kind: "link",
    where: "host",
    name: "shared0",
    shared: true,
    type: { kind: "tunnel", driver: "vxlan", port: 4789 },
  },
  { kind: "route", where: "host", dst: `10.244.1.${pod}/32`, link: "shared0", scope: 253 },
];
await Promise.all([2, 3, 4, 5].map((pod) => mend(planOf(pod), planOf(pod), kernel)));
