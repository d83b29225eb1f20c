// A kernel that is as planned, as plain data; what it may have besides, and what must not be missed.
import { expect, test } from "vitest";
import { verify } from "../../src/plan/verify.ts";
import { kernelAsPlanned, observed } from "./kernel-state.ts";
import { differencesAfter, plan, pod, podRoute } from "./planned-kernel.ts";

test("nothing differs in a kernel that is as planned", () => {
  expect(verify(plan, observed(kernelAsPlanned(plan)))).toEqual([]);
});

test("what the kernel has besides the plan does not matter", () => {
  const differences = differencesAfter((state) => {
    pod(state).link.addr_info.push({ local: "fe80::858:aff:fef4:107", prefixlen: 64, scope: "253" });
    pod(state).routes.push({ dst: "203.0.113.0/24", gateway: "10.244.1.9", scope: "0" });
    pod(state).routes.push({ dst: "10.244.1.7", table: "255", scope: "254" });
    pod(state).neighbours.push({ dst: "10.244.1.9", lladdr: "0a:00:00:00:00:01", state: ["PERMANENT"] });
    pod(state).link.flags.push("ALLMULTI");
    state.masquerade.sources.add("10.244.1.99");
    state.masquerade.direct.add("10.0.0.0/8");
    state.host.settings["net/ipv4/conf/all/forwarding"] = "0";
  });
  expect(differences).toEqual([]);
});

test("a setting that yields to one of the whole host is no fault", () => {
  const key = "net/ipv4/conf/pw1/forwarding";
  const sysctl = { kind: "sysctl", where: "host", key, value: "0" } as const;
  const state = observed({ ...kernelAsPlanned(plan) });
  expect(verify([sysctl], state)).toHaveLength(1);
  expect(verify([{ ...sysctl, yielding: true }], state)).toEqual([]);
});

test("iproute2's short forms are understood: default, and an address without its length", () => {
  const dsts = kernelAsPlanned(plan).pod.links["eth0"]?.routes.map(({ dst }) => dst);
  expect(dsts).toEqual(["169.254.1.1", "default", "default", "192.0.2.0/24", "198.51.100.0/24"]);
});

test("a route that source-based routing moved to another table is still there", () => {
  const differences = differencesAfter((state) => {
    Object.assign(podRoute(state, "192.0.2.0/24"), { table: "101", metric: 0 });
  });
  expect(differences).toEqual([]);
});

test("a network's own prefix may have been merged into a wider one", () => {
  const differences = differencesAfter(({ masquerade }) => {
    masquerade.direct.delete("10.244.1.0/24");
    masquerade.direct.add("10.244.0.0/16");
  });
  expect(differences).toEqual([]);
});

test("a link that is gone is named with all that was on it", () => {
  const differences = differencesAfter((state) => delete state.pod.links["eth0"]);
  const kinds = differences.map(({ object }) => object.split(" ")[0]);
  const inPod = plan
    .filter(({ where, kind }) => where === "pod" && kind !== "sysctl")
    .map(({ kind }) => kind);
  expect(kinds).toEqual(inPod);
  expect(differences[0]).toEqual({
    object: "link eth0 in the pod",
    expected: "a veth link",
    found: "no such link",
  });
});

test("a MAC and an MTU that the plan leaves open are not looked at", () => {
  const open = plan.map((object) =>
    object.kind === "link" ? { ...object, mac: undefined, mtu: undefined } : object,
  );
  const state = kernelAsPlanned(plan);
  Object.assign(pod(state).link, { address: "0a:00:00:00:00:01", mtu: 68 });
  expect(verify(open, observed(state))).toEqual([]);
});
