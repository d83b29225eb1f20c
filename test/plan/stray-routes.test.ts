// Routes of others within peers' prefixes, which take packets elsewhere.
import { expect, test } from "vitest";
import { strayRoutes } from "../../src/plan/foreign-routes.ts";
import type { ObservedRoute } from "../../src/plan/observe.ts";
import type { ObservedHost } from "../../src/plan/observe-host.ts";
import type { Plan } from "../../src/plan/plan.ts";

const route = (dst: string) =>
  ({ kind: "route", where: "host", link: "pw-vxlan", dst, protocol: 120 }) as const;
const strays = (plan: Plan, routes: readonly Partial<ObservedRoute>[]) =>
  strayRoutes(plan, { allRoutes: routes } as unknown as ObservedHost).map(
    ({ wanted, found }) => `${found.dst} in ${wanted.dst}`,
  );

test("are those of others, in the main table, to less than the prefix", () => {
  const found = [
    { dst: "10.244.2.128/25", protocol: "4" },
    { dst: "10.244.2.7", protocol: "119" },
    { dst: "fd00:2::7", protocol: "3", pref: "medium" },
    { dst: "10.244.2.0/24", protocol: "3" },
    { dst: "10.244.2.8", protocol: "120" },
    { dst: "10.244.2.9", protocol: "3", table: "100" },
    { dst: "10.244.0.0/16", protocol: "3" },
    { dst: "default", protocol: "3" },
  ];
  expect(strays([route("10.244.2.0/24"), route("fd00:2::/64")], found)).toEqual([
    "10.244.2.128/25 in 10.244.2.0/24",
    "10.244.2.7 in 10.244.2.0/24",
    "fd00:2::7 in fd00:2::/64",
  ]);
});
